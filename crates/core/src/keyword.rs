//! Keywords: fold a text, find words in it.
