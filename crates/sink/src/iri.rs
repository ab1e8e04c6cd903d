//! IRI and texts as columns.

use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use arrow_array::builder::{ListBuilder, StringBuilder, StructBuilder};
use arrow_array::{
    ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampNanosecondArray, UInt8Array, UInt16Array,
    UInt32Array, UInt64Array,
};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, TimeUnit};
use mandat_core::{Cc, Endpoint, Iri, IriType, Party, Pii, Role, Time};
use serde::Serialize;

use crate::table::Row;
use crate::time::rfc3339;

/// Name of an IRI record type (TS 102 232-1).
const fn iri_type_name(iri_type: IriType) -> &'static str {
    match iri_type {
        IriType::Begin => "BEGIN",
        IriType::End => "END",
        IriType::Continue => "CONTINUE",
        IriType::Report => "REPORT",
    }
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Nanosecond, Some("UTC".into()))
}

fn party_fields() -> Fields {
    Fields::from(["role", "uri", "trust"].map(|name| Field::new(name, DataType::Utf8, false)).to_vec())
}

/// The columns of `iri/*.arrow.age`, one row an IRI record. A null is a fact that is not known.
///
/// | column | type | meaning |
/// |---|---|---|
/// | `liid`, `cin`, `sequence` | utf8, u32, u32 | the record's label, session and number (TS 102 232-1, 5.2) |
/// | `iri_type` | utf8 | `BEGIN`, `END`, `CONTINUE`, `REPORT` |
/// | `service`, `event` | utf8 | `call`, `message`, `flow`, `access`, `mail`; what happened, in one word |
/// | `ts` | timestamp ns UTC | when |
/// | `matched`, `target` | utf8, u16 | which field held the target, and its index in the warrant |
/// | `criterion`, `form` | u16, utf8 | which criterion was met, by the `raw` or `normalised` text or its `skeleton` |
/// | `call_id` | utf8 | SIP Call-ID |
/// | `from`, `to`, `request_uri` | utf8 | first identity that stood there |
/// | `asserted` | list of utf8 | every P-Asserted-Identity |
/// | `parties` | list of {role, uri, trust} | every identity with where it stood, and who vouches for it: `network`, `user` |
/// | `src`, `dst`, `transport` | utf8 | `192.0.2.1:5060`, `[2001:db8::1]:5060`; `UDP`, `TCP` |
/// | `status` | u16 | SIP status of the last response that mattered |
/// | `start`, `ringing`, `answer`, `end` | timestamp ns UTC | of the session so far |
/// | `end_reason` | utf8 | `bye`, `cancel`, `failure`, `timeout`, `source_ended`, `evicted` |
/// | `via`, `name` | utf8 | how a name or text was carried; the host name |
/// | `address` | utf8 | the address or prefix that the network gave to the subscriber |
/// | `packets`, `octets` | u64 | of a flow, both directions |
/// | `kind` | utf8 | what a message is: `text`, `binary`, `silent`, `sim`, `wap_push`, … |
/// | `state` | utf8 | what a receipt says became of the message |
/// | `parts`, `partial` | u8, bool | of a long message; whether parts are missing |
/// | `course` | utf8 | JSON: how a call came about and went: diversion, branches, holds, transfers, links, … |
/// | `message_id` | utf8 | of a mail (RFC 5322, 3.6.4) |
pub fn iri_schema() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        let text = || DataType::Utf8;
        let list = |item| DataType::List(Arc::new(Field::new("item", item, true)));
        let columns = [
            ("liid", text(), false),
            ("cin", DataType::UInt32, false),
            ("sequence", DataType::UInt32, false),
            ("iri_type", text(), false),
            ("service", text(), false),
            ("event", text(), false),
            ("ts", timestamp(), false),
            ("matched", text(), true),
            ("target", DataType::UInt16, true),
            ("criterion", DataType::UInt16, true),
            ("form", text(), true),
            ("call_id", text(), true),
            ("from", text(), true),
            ("to", text(), true),
            ("request_uri", text(), true),
            ("asserted", list(text()), false),
            ("parties", list(DataType::Struct(party_fields())), false),
            ("src", text(), true),
            ("dst", text(), true),
            ("transport", text(), true),
            ("status", DataType::UInt16, true),
            ("start", timestamp(), true),
            ("ringing", timestamp(), true),
            ("answer", timestamp(), true),
            ("end", timestamp(), true),
            ("end_reason", text(), true),
            ("via", text(), true),
            ("name", text(), true),
            ("address", text(), true),
            ("packets", DataType::UInt64, true),
            ("octets", DataType::UInt64, true),
            ("kind", text(), true),
            ("state", text(), true),
            ("parts", DataType::UInt8, true),
            ("partial", DataType::Boolean, false),
            ("course", text(), true),
            ("message_id", text(), true),
        ];
        Arc::new(Schema::new(columns.map(|(name, kind, null)| Field::new(name, kind, null)).to_vec()))
    });
    Arc::clone(&SCHEMA)
}

/// The columns of `texts/*.arrow.age`: `liid`, `cin`, `ts` (nanoseconds UTC) and `text`.
pub fn text_schema() -> Arc<Schema> {
    static SCHEMA: LazyLock<Arc<Schema>> = LazyLock::new(|| {
        Arc::new(Schema::new(vec![
            Field::new("liid", DataType::Utf8, false),
            Field::new("cin", DataType::UInt32, false),
            Field::new("ts", timestamp(), false),
            Field::new("text", DataType::Utf8, false),
        ]))
    });
    Arc::clone(&SCHEMA)
}

/// One IRI record in the index.
#[derive(Serialize)]
pub(crate) struct IriIndex {
    cin: u32,
    sequence: u32,
    service: &'static str,
    iri_type: &'static str,
    event: &'static str,
    ts: String,
    criterion: Option<u16>,
    matched: Option<&'static str>,
}

fn times(of: impl Iterator<Item = Option<Time>>) -> ArrayRef {
    Arc::new(of.map(|t| t.map(|t| t.0)).collect::<TimestampNanosecondArray>().with_timezone("UTC"))
}

fn texts<T: AsRef<str>>(of: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(of.collect::<StringArray>())
}

/// RFC 3986 host and port.
fn address(of: Option<&Pii<Endpoint>>) -> Option<String> {
    of.map(|Pii(e)| match e.ip {
        IpAddr::V4(ip) => format!("{ip}:{}", e.port),
        IpAddr::V6(ip) => format!("[{ip}]:{}", e.port),
    })
}

fn first(parties: &[Party], role: Role) -> Option<&str> {
    parties.iter().find(|p| p.role == role).map(|p| &*p.uri.0)
}

fn asserted(rows: &[Iri]) -> ArrayRef {
    let mut list = ListBuilder::new(StringBuilder::new());
    for row in rows {
        let of_role = row.facts.parties.iter().filter(|p| p.role == Role::PAssertedIdentity);
        of_role.for_each(|p| list.values().append_value(&p.uri.0));
        list.append(true);
    }
    Arc::new(list.finish())
}

fn parties(rows: &[Iri]) -> ArrayRef {
    let builders = StructBuilder::new(
        party_fields(),
        vec![Box::new(StringBuilder::new()), Box::new(StringBuilder::new()), Box::new(StringBuilder::new())],
    );
    let mut list = ListBuilder::new(builders);
    for party in rows.iter().map(|r| &r.facts.parties) {
        for p in party {
            for (column, value) in [p.role.name(), &*p.uri.0, p.trust().name()].into_iter().enumerate() {
                if let Some(builder) = list.values().field_builder::<StringBuilder>(column) {
                    builder.append_value(value);
                }
            }
            list.values().append(true);
        }
        list.append(true);
    }
    Arc::new(list.finish())
}

impl Row for Iri {
    type Index<'a> = IriIndex;

    fn ts(&self) -> Time {
        self.ts
    }

    fn index(&self) -> IriIndex {
        IriIndex {
            cin: self.cin.0,
            sequence: self.sequence,
            service: self.service.name(),
            iri_type: iri_type_name(self.iri_type),
            event: self.facts.event,
            ts: rfc3339(self.ts),
            criterion: self.criterion,
            matched: self.matched.map(Role::name),
        }
    }

    fn schema() -> Arc<Schema> {
        iri_schema()
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError> {
        let facts = || rows.iter().map(|r| &r.facts);
        let party = |role| texts(facts().map(move |f| first(&f.parties, role)));
        let columns: Vec<ArrayRef> = vec![
            texts(rows.iter().map(|r| Some(&*r.liid.0))),
            Arc::new(rows.iter().map(|r| r.cin.0).collect::<UInt32Array>()),
            Arc::new(rows.iter().map(|r| r.sequence).collect::<UInt32Array>()),
            texts(rows.iter().map(|r| Some(iri_type_name(r.iri_type)))),
            texts(rows.iter().map(|r| Some(r.service.name()))),
            texts(facts().map(|f| Some(f.event))),
            times(rows.iter().map(|r| Some(r.ts))),
            texts(rows.iter().map(|r| r.matched.map(Role::name))),
            Arc::new(rows.iter().map(|r| r.target).collect::<UInt16Array>()),
            Arc::new(rows.iter().map(|r| r.criterion).collect::<UInt16Array>()),
            texts(rows.iter().map(|r| r.form)),
            texts(facts().map(|f| f.call_id.as_ref().map(|c| &*c.0))),
            party(Role::From),
            party(Role::To),
            party(Role::RequestUri),
            asserted(rows),
            parties(rows),
            texts(facts().map(|f| address(f.src.as_ref()))),
            texts(facts().map(|f| address(f.dst.as_ref()))),
            texts(facts().map(|f| f.transport)),
            Arc::new(facts().map(|f| f.status).collect::<UInt16Array>()),
            times(facts().map(|f| f.start)),
            times(facts().map(|f| f.ringing)),
            times(facts().map(|f| f.answer)),
            times(facts().map(|f| f.end)),
            texts(facts().map(|f| f.end_reason.map(mandat_core::EndReason::name))),
            texts(facts().map(|f| f.via)),
            texts(facts().map(|f| f.name.as_ref().map(|n| &*n.0))),
            texts(facts().map(|f| f.address.as_ref().map(|a| &*a.0))),
            Arc::new(facts().map(|f| f.packets).collect::<UInt64Array>()),
            Arc::new(facts().map(|f| f.octets).collect::<UInt64Array>()),
            texts(facts().map(|f| f.kind)),
            texts(facts().map(|f| f.state)),
            Arc::new(facts().map(|f| f.parts).collect::<UInt8Array>()),
            Arc::new(facts().map(|f| Some(f.partial)).collect::<BooleanArray>()),
            texts(facts().map(|f| f.course.as_deref().map(|c| crate::course::json(c).to_string()))),
            texts(facts().map(|f| f.message_id.as_ref().map(|id| &*id.0))),
        ];
        RecordBatch::try_new(iri_schema(), columns)
    }
}

/// A text of a selected message.
pub(crate) struct TextRow(pub(crate) Box<Cc>);

/// One text in the index.
#[derive(Serialize)]
pub(crate) struct TextIndex {
    cin: u32,
    ts: String,
}

impl Row for TextRow {
    type Index<'a> = TextIndex;

    fn ts(&self) -> Time {
        self.0.ts
    }

    fn index(&self) -> TextIndex {
        TextIndex { cin: self.0.cin.0, ts: rfc3339(self.0.ts) }
    }

    fn schema() -> Arc<Schema> {
        text_schema()
    }

    fn batch(rows: &[Self]) -> Result<RecordBatch, ArrowError> {
        let columns: Vec<ArrayRef> = vec![
            texts(rows.iter().map(|r| Some(&*r.0.liid.0))),
            Arc::new(rows.iter().map(|r| r.0.cin.0).collect::<UInt32Array>()),
            times(rows.iter().map(|r| Some(r.0.ts))),
            texts(rows.iter().map(|r| Some(String::from_utf8_lossy(&r.0.octets.0)))),
        ];
        RecordBatch::try_new(text_schema(), columns)
    }
}
