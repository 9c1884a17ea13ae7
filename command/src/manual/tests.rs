use clap::{Args, FromArgMatches};
use sealift_platform::disk::SystemDisk;

use super::*;

#[derive(Debug, Args)]
struct Fetch {
    /// What to fetch
    name: String,
}

#[derive(Debug, Subcommand)]
enum Words {
    /// Fetch something
    #[command(after_help = "Examples:\n  tool fetch x    one\n\nThe end.\n.hidden dot")]
    Fetch(Fetch),
    #[command(flatten)]
    Manual(Manual),
}

const ABOUT: About =
    About { exit: "  0  done", environment: "  HOME  where", files: "  ~/x  what" };

fn command() -> Command {
    Words::augment_subcommands(Command::new("tool").version("1")).about("Does things")
}

fn write(line: &[&str]) -> Result<String, NotWritten> {
    let matches = command().try_get_matches_from(line).unwrap();
    let Words::Manual(manual) = Words::from_arg_matches(&matches).unwrap() else { panic!() };
    let mut out = Vec::new();
    manual.write(command(), &ABOUT, &SystemDisk, &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

#[test]
fn each_shell_has_a_script_that_asks_the_program_or_knows_the_words() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = write(&["tool", "completions", shell]).unwrap();
        let asks = matches!(shell, "bash" | "zsh" | "fish");
        assert_eq!(script.contains("SEALIFT_COMPLETE"), asks, "{shell}: {script}");
        assert!(asks || (script.contains("fetch") && script.contains("completions")), "{shell}");
    }
}

#[test]
fn the_page_lists_what_there_is() {
    let page = write(&["tool", "man"]).unwrap();
    assert!(page.contains("\n.TH tool 1"), "{page}");
    for word in ["Does things", "tool\\-fetch(1)", "tool\\-man(1)"] {
        assert!(page.contains(word), "{word} in {page}");
    }
}

#[test]
fn a_folder_gets_a_page_for_each_and_old_ones_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let man1 = dir.path().join("man/man1");
    for _ in 0..2 {
        assert_eq!(write(&["tool", "man", "--dir", man1.to_str().unwrap()]).unwrap(), "");
        let mut names: Vec<_> = std::fs::read_dir(&man1)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort_unstable();
        assert_eq!(names, ["tool-completions.1", "tool-fetch.1", "tool-man.1", "tool.1"]);
    }
    let fetch = std::fs::read_to_string(man1.join("tool-fetch.1")).unwrap();
    let notes = ".SH NOTES\nThe end.\n\\&.hidden dot\n.SH EXAMPLES\n.nf\n  tool fetch x    one\n.fi\n\
        .SH \"EXIT STATUS\"\n.nf\n  0  done\n.fi\n.SH ENVIRONMENT\n";
    assert!(fetch.contains(notes), "lines stay lines, a dot is no command: {fetch}");
    let taken = dir.path().join("file");
    std::fs::write(&taken, "x").unwrap();
    let refused = write(&["tool", "man", "--dir", taken.to_str().unwrap()]).unwrap_err();
    assert_eq!(refused.place.as_deref(), Some(&*taken));
}

#[test]
fn a_closed_output_is_told() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for manual in [Manual::Completions { shell: Shell::Bash }, Manual::Man { dir: None }] {
        let result = manual.write(command(), &ABOUT, &SystemDisk, &mut Closed);
        assert_eq!(result.unwrap_err().error.kind(), io::ErrorKind::BrokenPipe);
    }
}
