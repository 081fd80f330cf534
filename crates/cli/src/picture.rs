//! A terminal within the user's terminal: an engine that is fed, and a painter that draws what it shows into a space of
//! another size.

pub(crate) mod engine;
pub(crate) mod painter;
mod pen;
