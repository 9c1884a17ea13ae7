//! `leecher join`.

use sealift_command::exit::{Exit, Failure};
use sealift_command::people::speaker::Speaker;
use sealift_command::program;

/// Joins by the invite given, asked for, or read from standard input.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(
    speaker: &Speaker,
    invite: &[String],
    name: Option<&str>,
) -> Result<Exit, Failure> {
    let then = format!("{} search NAME", program::finder());
    sealift_command::people::join::run(speaker, invite, name, &then).await?;
    Ok(Exit::Done)
}
