//! A choice put to a person at a terminal: a numbered list, and a line typed.

use std::io::{BufRead, IsTerminal};

use crate::console::{Channel, Console};

/// What was typed.
#[derive(Debug, PartialEq, Eq)]
enum Typed {
    /// Nothing of what there is.
    Nothing,
    /// One of it, counted from 0.
    One(usize),
    /// Something else.
    Odd,
}

/// Whether a person looks at `console` and can type: no pipe on either side, and no JSON.
#[must_use]
pub fn can_ask(console: &Console) -> bool {
    console.is_live() && std::io::stdin().is_terminal()
}

/// Shows `lines` with numbers below `title` and asks for one of them, until one or nothing is chosen: its place in the list.
pub async fn pick(console: &Console, title: &str, lines: &[String]) -> Option<usize> {
    let width = lines.len().to_string().len();
    let numbered =
        lines.iter().zip(1..).map(|(line, number)| format!("  {number:>width$}  {line}"));
    let list = numbered.collect::<Vec<_>>().join("\n");
    console.show(Channel::Note, &format!("{title}\n{list}"));
    loop {
        let most = lines.len();
        console
            .show(Channel::Note, &format!("which one? Type 1 to {most}, or just Enter for none"));
        match typed(&line().await?, most) {
            Typed::Nothing => return None,
            Typed::One(place) => return Some(place),
            Typed::Odd => {}
        }
    }
}

fn typed(line: &str, most: usize) -> Typed {
    match line.trim() {
        "" => Typed::Nothing,
        text => match text.parse::<usize>() {
            Ok(number) if (1..=most).contains(&number) => Typed::One(number - 1),
            _ => Typed::Odd,
        },
    }
}

/// One line of at most a kilobyte. It is read on a thread of its own, so that Ctrl-C is heard meanwhile.
async fn line() -> Option<String> {
    let read = || {
        let mut line = String::new();
        let input = std::io::BufReader::new(std::io::stdin());
        let read = std::io::Read::take(input, 1024).read_line(&mut line);
        read.is_ok_and(|bytes| bytes > 0).then_some(line)
    };
    tokio::task::spawn_blocking(read).await.ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_number_of_the_list_chooses_and_enter_takes_nothing() {
        assert_eq!(typed("2\n", 3), Typed::One(1));
        assert_eq!(typed(" 3 \r\n", 3), Typed::One(2));
        assert_eq!(typed("\n", 3), Typed::Nothing);
        for odd in ["0", "4", "-1", "x", "1 2", "99999999999999999999999"] {
            assert_eq!(typed(odd, 3), Typed::Odd, "{odd}");
        }
    }
}
