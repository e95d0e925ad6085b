//! What happened, for people: time, actor, what, why.
