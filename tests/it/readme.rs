//! Does the README say what is so?
