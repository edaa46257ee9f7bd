//! What Asterisk sends: metric catalogue, names, units.
