//! TCAP (Q.773): the invocations in a transaction's message.

use super::ber::{Element, element, elements};

/// Most components of one message that are looked at. A message carries one or two.
const MAX_COMPONENTS: usize = 16;

/// Message types (Q.773, 4.2.2.1).
const UNIDIRECTIONAL: u8 = 0x61;
const BEGIN: u8 = 0x62;
const END: u8 = 0x64;
const CONTINUE: u8 = 0x65;
/// Portions and fields.
const ORIGINATING_TRANSACTION_ID: u8 = 0x48;
const DESTINATION_TRANSACTION_ID: u8 = 0x49;
const COMPONENT_PORTION: u8 = 0x6c;
/// Components (Q.773, 4.2.2.2). The others answer one: they tell its outcome and carry no request.
const INVOKE: u8 = 0xa1;
const INTEGER: u8 = 0x02;
const LINKED_ID: u8 = 0x80;

/// An invocation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Invoke<'a> {
    /// Transaction: the same on every hop, where the addresses below change.
    pub(crate) transaction: &'a [u8],
    pub(crate) id: u8,
    /// Local operation code.
    pub(crate) operation: u8,
    pub(crate) parameter: Element<'a>,
}

/// The invocations of local operations with a parameter.
pub(crate) fn invokes(octets: &[u8]) -> impl Iterator<Item = Invoke<'_>> {
    let message = element(octets).map(|(message, _)| message);
    let message = message
        .filter(|m| matches!(m.tag, UNIDIRECTIONAL | BEGIN | END | CONTINUE))
        .map_or(&[][..], |m| m.value);
    let portion = |tag: u8| elements(message).find(|e| e.tag == tag).map(|e| e.value);
    let transaction = portion(ORIGINATING_TRANSACTION_ID).or_else(|| portion(DESTINATION_TRANSACTION_ID));
    elements(portion(COMPONENT_PORTION).unwrap_or_default())
        .take(MAX_COMPONENTS)
        .filter(|component| component.tag == INVOKE)
        .filter_map(move |component| invoke(component.value, transaction.unwrap_or_default()))
}

fn invoke<'a>(octets: &'a [u8], transaction: &'a [u8]) -> Option<Invoke<'a>> {
    let mut fields = elements(octets).filter(|e| e.tag != LINKED_ID);
    let integer = |e: Element<'a>| match (e.tag, e.value) {
        (INTEGER, [value]) => Some(*value),
        _ => None,
    };
    let id = fields.next().and_then(integer)?;
    let operation = fields.next().and_then(integer)?;
    Some(Invoke { transaction, id, operation, parameter: fields.next()? })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::ber::tests::built;
    use super::*;
    use proptest::prelude::*;

    /// A message with one component.
    pub(crate) fn message(kind: u8, component: u8, operation: u8, parameter: &[u8]) -> Vec<u8> {
        let fields = [&[INTEGER, 1, 1, INTEGER, 1, operation][..], parameter].concat();
        let components = built(COMPONENT_PORTION, &built(component, &fields));
        built(kind, &[built(ORIGINATING_TRANSACTION_ID, &[1, 2, 3, 4]), components].concat())
    }

    #[test]
    fn an_invocation_is_told_from_its_result() {
        let octets = message(BEGIN, INVOKE, 46, &[0x30, 0]);
        let found: Vec<_> = invokes(&octets).map(|i| (i.transaction, i.id, i.operation)).collect();
        assert_eq!(found, [(&[1, 2, 3, 4][..], 1, 46)]);
        for component in [0xa2, 0xa3, 0xa4] {
            assert_eq!(invokes(&message(END, component, 46, &[0x30, 0])).count(), 0);
        }
        assert_eq!(invokes(&message(0x67, INVOKE, 46, &[0x30, 0])).count(), 0, "an abort");
    }

    proptest! {
        #[test]
        fn never_panics(octets: Vec<u8>) {
            let _ = invokes(&octets).count();
            let _ = invokes(&message(BEGIN, INVOKE, 46, &octets)).count();
        }
    }
}
