//! `leecher members`.

use sealift_command::args::CommonArgs;
use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;

/// Lists the members of each space, with who serves now where the relay answers.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(speaker: &Speaker, common: &CommonArgs) -> Result<Exit, Failure> {
    sealift_command::people::members::run(speaker, common).await
}
