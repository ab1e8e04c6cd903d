//! Which branches of an INVITE are still out, and which of the dialogs they made are still up.
//!
//! One INVITE may reach several phones (RFC 3261, 16.7), and a tap may see it on several hops. So one failure isn't the
//! end of the call while another branch is out, and one BYE isn't while another dialog is up (13.2.2.4).

use smallvec::SmallVec;

/// Most branches remembered of a call. Hunt groups fork to twenty; beyond this the oldest is forgotten, and an end may
/// be told a branch too early.
const MAX_BRANCHES: usize = 32;

/// Most dialogs of a call. A second 2xx is rare; a third is a test.
const MAX_DIALOGS: usize = 16;

/// Branches and dialogs of one call. Names are kept as keyed hashes: equality is all that is asked of them.
#[derive(Default)]
pub(super) struct Dialogs {
    /// Top Via branch of each INVITE that began a dialog, and whether its final response is still out.
    branches: SmallVec<[(u64, bool); 2]>,
    /// Tag of the called side of each answered dialog, and how far that dialog is.
    dialogs: SmallVec<[(u64, Dialog); 1]>,
}

/// How far an answered dialog is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Dialog {
    /// 2xx. Not enough to keep a call up: a proxy that hides tags shows two for one dialog.
    Answered,
    /// ACK: the caller has taken it up.
    Up,
    /// BYE.
    Down,
}

impl Dialogs {
    /// An INVITE outside a dialog; `false` when it is a retransmission.
    pub(super) fn invited(&mut self, branch: u64) -> bool {
        if self.branches.iter().any(|(b, _)| *b == branch) {
            return false;
        }
        if self.branches.len() == MAX_BRANCHES {
            self.branches.remove(0);
        }
        self.branches.push((branch, true));
        true
    }

    /// Whether an INVITE with this branch was seen.
    pub(super) fn knows(&self, branch: u64) -> bool {
        self.branches.iter().any(|(b, _)| *b == branch)
    }

    /// A final failure came back. Says whether that was the last branch.
    pub(super) fn refused(&mut self, branch: u64) -> bool {
        if let Some((_, out)) = self.branches.iter_mut().find(|(b, _)| *b == branch) {
            *out = false;
        }
        !self.branches_out()
    }

    pub(super) fn branches_out(&self) -> bool {
        self.branches.iter().any(|(_, out)| *out)
    }

    /// A 2xx to INVITE.
    pub(super) fn answered(&mut self, tag: u64) {
        if self.dialogs.len() < MAX_DIALOGS && !self.dialogs.iter().any(|(t, _)| *t == tag) {
            self.dialogs.push((tag, Dialog::Answered));
        }
    }

    /// An ACK.
    pub(super) fn taken_up(&mut self, tag: u64) {
        if let Some((_, dialog)) = self.dialogs.iter_mut().find(|(t, d)| *t == tag && *d == Dialog::Answered)
        {
            *dialog = Dialog::Up;
        }
    }

    /// A BYE. Says whether it leaves no dialog up. A tag that nobody has answered with ends nothing while a dialog is
    /// up: it may be of an early dialog (15.1.1), or forged.
    pub(super) fn hung_up(&mut self, tag: u64) -> bool {
        if let Some((_, dialog)) = self.dialogs.iter_mut().find(|(t, _)| *t == tag) {
            *dialog = Dialog::Down;
        }
        !self.dialogs.iter().any(|(_, dialog)| *dialog == Dialog::Up)
    }
}
