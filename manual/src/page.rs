//! Manual pages out of what the command line parser knows.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// The page of `command`, and those of all beneath it that are shown, each with its file name.
pub(crate) fn all(command: &Command) -> io::Result<Vec<(String, Vec<u8>)>> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let mut pages = vec![(format!("{name}.1"), page(command)?)];
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        pages.extend(all(sub)?);
    }
    Ok(pages)
}

/// The page of `command`, which has been built.
pub(crate) fn page(command: &Command) -> io::Result<Vec<u8>> {
    let flowing = command.clone().after_help(None).after_long_help(None);
    let mut page = Vec::new();
    Man::new(flowing).source("Sealift").manual("Sealift manual").render(&mut page)?;
    notes(command, &mut page);
    Ok(page)
}

/// What stands below the flags in `--help`: paragraphs flow, examples and tables, which are indented, stay as they are.
fn notes(command: &Command, page: &mut Vec<u8>) {
    let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) else {
        return;
    };
    let mut roff = Roff::new();
    roff.control("SH", ["NOTES"]);
    let mut as_is = false;
    for line in text.to_string().lines() {
        if as_is != line.starts_with(' ') {
            as_is = !as_is;
            roff.control(if as_is { "nf" } else { "fi" }, []);
        }
        match line {
            "" => roff.control("PP", []),
            line => roff.text([roman(line)]),
        };
    }
    if as_is {
        roff.control("fi", []);
    }
    page.extend(roff.render().bytes());
}
