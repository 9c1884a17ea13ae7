//! What a relay that is up prints.

use sealift_command::event::Event;
use sealift_proto::text::base32;

/// The line for one place.
pub(super) fn line(place: &str, pin: &[u8; 16], json: bool) -> String {
    let pin = base32(pin);
    if json {
        super::json_line(&Event::Ready { address: place.into(), pin })
    } else {
        format!("relay ready: {place}#{pin}")
    }
}

/// What a person is told beside it.
pub(super) fn hint(place: &str, pin: &[u8; 16], name_public: bool) -> String {
    let mut text = String::new();
    if name_public {
        text.push_str(
            "\nPeople outside need the address that they can reach. Name it, and it is printed here and goes into \
             invites:\n    relay --public HOST\n",
        );
    }
    text.push_str(&format!(
        "\nOn the machine that has the files:\n    seeder --watch ./share --relay {place}#{}\n\n",
        base32(pin)
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_can_be_pasted() {
        let line_text = line("h:1", &[0; 16], false);
        assert_eq!(line_text, "relay ready: h:1#aaaaaaaaaaaaaaaaaaaaaaaaaa");
        let json = line("h:1", &[0; 16], true);
        assert!(json.starts_with('{') && json.contains(r#""address":"h:1""#));
        let hint = hint("h:1", &[0; 16], true);
        assert!(hint.contains("relay --public HOST"));
        assert!(hint.contains("seeder --watch ./share --relay h:1#aaaaaaaaaaaaaaaaaaaaaaaaaa\n"));
    }
}
