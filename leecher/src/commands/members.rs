//! `leecher members`.

use sealift_peer::args::CommonArgs;
use sealift_peer::connect::Speaker;
use sealift_peer::exit::{Exit, Failure};

/// Lists the members of each space, with who serves now where the relay answers.
///
/// # Errors
/// With words and exit code for the person.
pub async fn run(speaker: &Speaker, common: &CommonArgs) -> Result<Exit, Failure> {
    sealift_peer::roster::command(speaker, common).await
}
