//! One trace a call.
