//! Any command: nothing is known of it but that it runs.

use stratavore_core::program::NAMES;
use stratavore_core::session::Mode;

use crate::{Adapter, Beginning, Unsupported};

/// Knows nothing.
pub(crate) struct Plain;

impl Adapter for Plain {
    fn begin(
        &self,
        mode: &Mode,
        _fresh: uuid::Uuid,
        _args: &[String],
    ) -> Result<Beginning, Unsupported> {
        match mode {
            Mode::New => Ok(Beginning::default()),
            Mode::Continue | Mode::Resume(_) | Mode::Fork(_) => Err(Unsupported {
                message: "a command of one's own has no sessions".to_owned(),
                hint: format!(
                    "launch it anew, or name a program that has: {}",
                    NAMES.join(", ")
                ),
            }),
        }
    }
}
