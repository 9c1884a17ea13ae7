//! `leecher join`.

use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;

/// Joins by the invite given, asked for, or read from standard input.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(
    speaker: &Speaker,
    invite: &[String],
    name: Option<&str>,
) -> Result<Exit, Failure> {
    sealift_command::people::join::run(speaker, invite, name, "leecher search NAME").await?;
    Ok(Exit::Done)
}
