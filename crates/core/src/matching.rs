//! The index of admitted tasks, and the only place where a [`Match`] is made.

use smallvec::SmallVec;

use crate::product::{Cin, Liid, Role, TaskId};

/// Proof that an admitted task selects a session. Its fields are private: nothing outside this file can make one.
#[derive(Clone, Debug)]
pub struct Match {
    task: TaskId,
    liid: Liid,
    cin: Cin,
    role: Option<Role>,
    target: Option<u16>,
    criterion: Option<u16>,
    form: Option<&'static str>,
}

impl Match {
    pub(crate) const fn task(&self) -> TaskId {
        self.task
    }
    pub(crate) const fn liid(&self) -> &Liid {
        &self.liid
    }
    pub(crate) const fn cin(&self) -> Cin {
        self.cin
    }
    pub(crate) const fn role(&self) -> Option<Role> {
        self.role
    }
    pub(crate) const fn target(&self) -> Option<u16> {
        self.target
    }
    pub(crate) const fn criterion(&self) -> Option<u16> {
        self.criterion
    }
    pub(crate) const fn form(&self) -> Option<&'static str> {
        self.form
    }
}

/// The matches of one session. Empty for nearly every session of a network.
pub(crate) type Selection = SmallVec<[Box<Match>; 1]>;
