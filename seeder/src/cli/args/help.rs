//! What stands below the flags in `--help`.

/// Of sharing.
pub const SHARE: &str = "\
Examples:
  seeder ./share
      Share a folder, through the relay on this machine or the last one used
  seeder ./share --relay relay.example.org:7743#PIN
      Through another relay, from now on
  seeder Photos=/mnt/disk/pictures ./papers
      Two folders, one of them under another name; the same as --watch before each
  seeder
      Go on with what was shared the last time
  seeder service install
      The same by itself, after each login
  seeder invite
      Print a line that lets one more device in
  seeder join sealift:HOST:PORT/PIN/SECRET
      Share into somebody else's space
  seeder status
      What is shared, and which folder to back up

What a `.sealiftignore` names (gitignore syntax) is left out, and by default swap files, locks and half downloads of other \
programs (`!*.part` there takes such back).
Links are not followed. Ctrl-C ends it; nothing is lost.

Exit codes:
  0 ended by Ctrl-C or SIGTERM   5 refused    7 relay unreachable
  1 other                        2 usage      8 local disk";

/// Of `invite`.
pub const INVITE: &str = "\
Examples:
  seeder invite                                  for one device, within a day
  seeder invite --uses 5 --expires 7d --qr       for five within a week, also as a QR code
  seeder invite --public relay.example.org       where this device knows the relay otherwise

Whoever has the line can join until it is used up or too old: send it over a channel you trust, and mind who sees \
the screen.";

/// Of `join`.
pub const JOIN: &str = "\
Examples:
  seeder join                                    asks for the line
  seeder join sealift:relay.example.org:7743/PIN/SECRET
  seeder join - < invite.txt                     so that it is in no list of processes

Afterwards `seeder ./share` shares into that space.";

/// Of `status`.
pub const STATUS: &str = "\
Examples:
  seeder status            what is shared, and which folder to back up
  seeder status --json     the same for a program";

/// Of `members`.
pub const MEMBERS: &str = "\
Examples:
  seeder members                    who is in the space, and who is online
  seeder members --space family     of one space of several";

/// Of `service`.
pub const SERVICE: &str = "\
Examples:
  seeder ./share             once by hand: what is to be shared
  seeder service install     from now on by itself, after each login
  seeder service remove      no more

It writes a unit for systemd into ~/.config/systemd/user and starts it. `loginctl enable-linger` lets it go on while \
nobody is logged in.";

/// The same of all commands.
pub const EXIT: &str = "  \
0  done; of the seeder itself, ended by Ctrl-C or SIGTERM
  1  other
  2  usage
  3  no such space, or no service to remove
  5  refused: no member, no right, wrong relay key
  6  tampering noticed: an altered invite
  7  relay unreachable
  8  local disk
  130, 143  another command ended by Ctrl-C, SIGTERM";

/// Where things are.
pub const FILES: &str = "  \
~/.local/share/sealift    keys and spaces; `seeder status` names the folder to back up
  ~/.cache/sealift          hashes of files; can be made again
  DIR/profile, DIR/cache    instead of these with --home DIR
  .sealiftignore            in a shared folder: what is left out of it, in gitignore syntax";
