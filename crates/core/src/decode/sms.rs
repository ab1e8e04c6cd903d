//! Short message transfer layer (TS 23.040, TS 23.038).
