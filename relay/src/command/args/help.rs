//! What stands below the flags in `--help`.

pub(super) const SERVE: &str = "\
Examples:
  relay
      Listens on port 7743 of every address and prints where it can be reached.
  relay --public files.example.org
      The same, and prints the address that people use from outside.
  relay --listen 127.0.0.1:9000
      Only for this machine, on port 9000.
  relay --home /srv/sealift --public files.example.org
      Keeps its key and store in /srv/sealift/relay.
  relay status
      What the one that runs here is doing.
  relay limits
      What it allows, and by which name a configuration file changes it.
  relay key export relay-key.backup
      A copy of its key, for a safe place.

Then, on the machine that has the files, with the line that the relay printed:
  seeder ./share --relay HOST:PORT#PIN

The relay sees who talks with whom, when and how much, but no names, no content and no keys. PIN names its key, \
relay.key in its folder: back that file up, because clients refuse a relay with another one.

Exit codes: 0 on Ctrl-C or SIGTERM, once links have finished (a second one ends it at once); 1 when it cannot listen; 2 for a \
wrong command line or configuration; 8 when its folder, key or store cannot be used. SIGHUP makes it read its configuration again.";

pub(super) const STATUS: &str = "\
Examples:
  relay status                     of the relay on the usual folder
  relay status --home /srv/x       of another
  relay status --json              the same for a program, with all limits";

pub(super) const LIMITS: &str = "\
Examples:
  relay limits                               as they are with the configuration that is found
  relay limits --config ./relay.toml         as they would be with another
  relay limits | grep bytes

A configuration file changes them under [limits], as in packaging/relay.toml.";

pub(super) const KEY: &str = "\
Examples, to move a relay to another machine, so that clients notice nothing but its address:
  relay key export relay-key.backup      on the old machine
  relay key import relay-key.backup      on the new one, before its first start

Both print the PIN: it must be the same. Whoever has the file can pretend to be the relay.";

pub(super) const KEY_PIN: &str = "\
Example:
  relay key pin";

pub(super) const KEY_EXPORT: &str = "\
Example:
  relay key export relay-key.backup";

pub(super) const KEY_IMPORT: &str = "\
Example:
  relay key import relay-key.backup";

/// The same of all commands.
pub(crate) const EXIT: &str = "  \
0  done
  1  other
  2  usage, or a wrong configuration
  8  local disk";

/// Where things are.
pub(crate) const FILES: &str = "  \
~/.local/share/sealift/relay    its key (relay.key) and store
  DIR/relay                       instead with --home DIR
  relay.toml                      its configuration, in that folder or as /etc/sealift/relay.toml";
