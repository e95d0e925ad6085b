//! The probes and the engine from outside: what the table holds, and a line's life as a transcript. How verdicts come about
//! in whole networks is tested in `host-sim/tests/portal_table`.

mod engine;
mod table;
