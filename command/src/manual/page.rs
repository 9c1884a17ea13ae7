//! Manual pages out of what the command line parser knows, and of what a program says of itself.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use super::About;

/// The page of `command`, and those of all beneath it that are shown, each with its file name.
pub(crate) fn all(command: &Command, about: &About) -> io::Result<Vec<(String, Vec<u8>)>> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let mut pages = vec![(format!("{name}.1"), page(command, about)?)];
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        pages.extend(all(sub, about)?);
    }
    Ok(pages)
}

/// The page of `command`, which has been built.
pub(crate) fn page(command: &Command, about: &About) -> io::Result<Vec<u8>> {
    let flowing = command.clone().after_help(None).after_long_help(None);
    let mut page = Vec::new();
    Man::new(flowing).source("Sealift").manual("Sealift manual").render(&mut page)?;
    let notes = command.get_after_long_help().or_else(|| command.get_after_help());
    let notes = notes.map(ToString::to_string).unwrap_or_default();
    let own = |title: &str| notes.split("\n\n").any(|block| section(block).0 == title);
    let mut roff = Roff::new();
    for title in ["NOTES", "EXAMPLES", "EXIT STATUS"] {
        let blocks = notes.split("\n\n").map(section).filter(|(of, _)| *of == title);
        write_section(&mut roff, title, blocks.map(|(_, text)| text));
    }
    if !own("EXIT STATUS") {
        write_section(&mut roff, "EXIT STATUS", [about.exit].into_iter());
    }
    write_section(&mut roff, "ENVIRONMENT", [about.environment].into_iter());
    write_section(&mut roff, "FILES", [about.files].into_iter());
    page.extend(roff.render().bytes());
    Ok(page)
}

/// Where a block of what stands below the flags in `--help` belongs, and what of it is to be said there.
fn section(block: &str) -> (&'static str, &str) {
    let (first, rest) = block.split_once('\n').unwrap_or((block, ""));
    match first {
        "Example:" | "Examples:" => ("EXAMPLES", rest),
        "Exit codes:" => ("EXIT STATUS", rest),
        _ if first.starts_with("Example") => ("EXAMPLES", block),
        _ if first.starts_with("Exit codes") => ("EXIT STATUS", block),
        _ => ("NOTES", block),
    }
}

/// Paragraphs flow; examples and tables, which are indented, stay as they are.
fn write_section<'a>(roff: &mut Roff, title: &str, blocks: impl Iterator<Item = &'a str>) {
    let mut blocks = blocks.filter(|block| !block.is_empty()).peekable();
    if blocks.peek().is_none() {
        return;
    }
    roff.control("SH", [title]);
    let mut first = true;
    for block in blocks {
        if !std::mem::take(&mut first) {
            roff.control("PP", []);
        }
        write_block(roff, block);
    }
}

fn write_block(roff: &mut Roff, block: &str) {
    let mut as_is = false;
    for line in block.lines() {
        if as_is != line.starts_with(' ') {
            as_is = !as_is;
            roff.control(if as_is { "nf" } else { "fi" }, []);
        }
        roff.text([roman(line)]);
    }
    if as_is {
        roff.control("fi", []);
    }
}
