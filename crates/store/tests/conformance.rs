//! SQLite passes the suite that every store must pass.

mod support;

stratavore_store::conformance!(support::fresh);
