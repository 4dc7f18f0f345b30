//! What is owed for this logout, what is skipped and why?
