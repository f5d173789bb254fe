//! session (being built)
