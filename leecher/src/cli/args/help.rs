//! What stands below the flags in `--help`.

/// Of the program.
pub const ALL: &str = "\
Examples:
  leecher join sealift:relay.example.org:7743/PIN/SECRET    become a member, once per device
  leecher search report                                     find files by name
  leecher get report.pdf -o Downloads                       fetch one
  leecher get 'share/photos/*.jpg' -o Pictures              fetch what fits
  leecher verify Pictures                                   check it against what is shared

Exit codes:
  0 done                        5 refused              9 several contents, choose
  1 other, or part left out     6 tampering noticed  130 interrupted
  2 usage   3 not found         7 relay unreachable   10 no direct path
  4 no seeder of it is online   8 local disk         143 terminated";

/// Of `join`.
pub const JOIN: &str = "\
Examples:
  leecher join
  leecher join sealift:relay.example.org:7743/PIN/SECRET

Without INVITE it is asked for; `-` reads it from standard input. All of what was printed is taken too.";

/// Of `search`.
pub const SEARCH: &str = "\
Examples:
  leecher search report.pdf
  leecher search img 2024
  leecher search '*.iso'
  leecher search raport";

/// Of `list`.
pub const LIST: &str = "\
Examples:
  leecher list                      the folders that are shared
  leecher list share/photos         what is in one
  leecher list -l share/photos      with sizes, dates and who has it
  leecher list --offline            what is known already, without the relay";

/// Of `download`.
pub const DOWNLOAD: &str = "\
Examples:
  leecher download report.pdf -o Downloads              one file, by name or path
  leecher download share/photos -o Pictures             a folder, as Pictures/photos
  leecher download 'share/photos/*.jpg' -o Pictures     what fits
  leecher download film.mkv --wait --limit 10M          when somebody has it online, at 10 MB/s at most
  leecher download notes.txt -o - | less                to standard output
  leecher download big.iso --seed-for 1h                give it to others for an hour more

NAME is a file name, a path, a folder or a glob. One file lands as OUT/name, a folder as OUT/folder/..., what a \
glob finds below its deepest common folder. Nothing is ever overwritten: a second copy gets a new name, and \
what is there already with the same content is not fetched again. The same command goes on where an \
interrupted one stopped.";

/// Of `ping`.
pub const PING: &str = "\
Example:
  leecher ping ana        through the relay, and directly over TCP and QUIC where that is possible

Exit codes: 0 there is a path, be it the relay's alone; 3 no such member; 4 not online.";

/// Of `members`.
pub const MEMBERS: &str = "\
Examples:
  leecher members                    who is in the space, and who is online
  leecher members --space family     of one space of several";

/// Of `status`.
pub const STATUS: &str = "\
Examples:
  leecher status            this device, its spaces, and whose catalogues it knows
  leecher status --json     the same for a program";

/// Of `verify`.
pub const VERIFY: &str = "\
Examples:
  leecher verify Downloads                            all that was fetched into it
  leecher verify Downloads/photos                     one folder, also for what it lacks
  leecher verify /mnt/backup --with share/photos      a folder of another name

A folder at or beneath PATH is taken for a copy of the shared folder that has its name and most of its files: each \
file in it is compared by its place, and what the shared folder has beside them is missing. All other files are \
known by their content, wherever it is shared; directly in PATH, a file whose name is shared with other content \
differs. Links are not followed.

  differs         not what the catalogue states for its place or name
  missing         stated, and not here
  unreadable      cannot be read here
  not hashed yet  no seeder has read its own yet
  unknown         in no catalogue; tells nothing about the file
  same            shown with -v

Exit codes: 0 all that is known is the same; 1 something differs, is missing, unreadable or not hashed yet; \
3 nothing of it is known; 8 PATH cannot be read.";

/// The same of all commands.
pub const EXIT: &str = "  \
0    done
  1    other, part left out or not shared, or `verify` found differences
  2    usage
  3    not found
  4    no seeder of it is online
  5    refused: no member, no right, wrong relay key
  6    tampering noticed
  7    relay unreachable
  8    local disk
  9    several contents: choose
  10   no direct path, and --path direct
  130  interrupted
  143  terminated";

/// Where things are.
pub const FILES: &str = "  \
~/.local/share/sealift    keys and spaces
  ~/.cache/sealift          catalogues of others; fetched again if they are lost
  DIR/profile, DIR/cache    instead of these with --home DIR
  OUT/.sealift-part-*       a download that is not complete; the same command uses or removes it";
