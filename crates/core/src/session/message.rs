//! Text messages: parts joined, addresses read.
