//! The schedule against made-up sources with rates of their own, in made-up time.

mod partners;
mod parts;
mod ways;

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use sealift_proto::manifest::{CHUNK, Manifest};

use super::*;
use crate::landing::sink::Begun;

const STEP: Duration = Duration::from_millis(10);
const MB: f64 = 1e6;

/// A file whose chunks have made-up values: the tree above them is right.
fn file(number: u8, size: u64) -> (Root, Option<Manifest>) {
    let layout = Layout::new(size).unwrap();
    if layout.pages() == 0 {
        return (Root([number; 32]), None);
    }
    let value =
        |index: u64| *blake3::hash(&[&[number], &index.to_be_bytes()[..]].concat()).as_bytes();
    let manifest = Manifest::new(layout, (0..layout.chunks()).map(value).collect()).unwrap();
    (manifest.root().unwrap(), Some(manifest))
}

fn device(number: u8) -> DeviceId {
    sealift_proto::identity::SecretKey::from_seed([number; 32]).id()
}

/// A seeder as it behaves, and what it has still to send.
struct Seeder {
    id: SourceId,
    /// Bytes per second.
    rate: f64,
    credit: f64,
    queue: VecDeque<(u32, VecDeque<Item>, bool)>,
    /// Every chunk it sends is wrong.
    lies: bool,
    /// Says that its file has changed, when asked again.
    changes: bool,
    sent: u64,
    there: bool,
    /// From when on nothing of what it sends gets whole.
    trickles: Option<Instant>,
}

struct Play {
    schedule: Schedule,
    manifests: Vec<Option<Manifest>>,
    roots: Vec<Root>,
    seeders: Vec<Seeder>,
    now: Instant,
    start: Instant,
    taken: u64,
    /// Bytes per second of what all links have in common.
    common: f64,
    /// Chunks asked for, with repetitions.
    asked: u64,
}

impl Play {
    fn new(sizes: &[u64], seeders: u8, window: Option<u64>) -> Self {
        let files: Vec<_> = sizes.iter().zip(0..).map(|(size, n)| file(n, *size)).collect();
        let offers = |root: Root, size: u64| {
            (0..seeders).map(move |number| Offer {
                device: device(number),
                root: Some(root),
                size,
                entry: EntryPlace { log_id: [0; 16], position: 0, index: 0 },
            })
        };
        let (roots, manifests): (Vec<_>, Vec<_>) = files.into_iter().unzip();
        let all = roots.iter().zip(sizes).map(|(root, size)| offers(*root, *size).collect());
        let now = Instant::now();
        Self {
            schedule: Schedule::new(all.collect(), window),
            manifests,
            roots,
            seeders: Vec::new(),
            now,
            start: now,
            taken: 0,
            common: f64::INFINITY,
            asked: 0,
        }
    }

    fn with(sizes: &[u64], rates: &[f64]) -> Self {
        let mut play = Self::new(sizes, rates.len() as u8, None);
        rates.iter().zip(0..).for_each(|(rate, number)| play.join(number, *rate));
        play
    }

    fn join(&mut self, number: u8, rate: f64) {
        self.link(number, Way::Relay, rate);
    }

    /// One more link to a device.
    fn link(&mut self, number: u8, way: Way, rate: f64) {
        let id = self.schedule.add(device(number), way, self.now);
        self.seeders.push(Seeder {
            id,
            rate,
            credit: 0.0,
            queue: VecDeque::new(),
            lies: false,
            changes: false,
            sent: 0,
            there: true,
            trickles: None,
        });
    }

    fn leave(&mut self, at: usize) {
        let seeder = &mut self.seeders[at];
        seeder.there = false;
        self.schedule.remove(seeder.id);
    }

    fn job_of(&self, root: &Root) -> usize {
        self.roots.iter().position(|known| known == root).unwrap()
    }

    /// Plays until all files have ended; the time it took.
    fn run(&mut self) -> Duration {
        for _ in 0..100_000 {
            if self.schedule.is_over() {
                return self.now - self.start;
            }
            self.step();
        }
        panic!("it does not end: {} taken", self.taken);
    }

    fn step(&mut self) {
        let busy = |seeder: &&Seeder| seeder.there && !seeder.queue.is_empty();
        let wanted: f64 = self.seeders.iter().filter(busy).map(|seeder| seeder.rate).sum();
        let part = (self.common / wanted.max(1.0)).min(1.0);
        for at in 0..self.seeders.len() {
            if self.seeders[at].there {
                self.ask(at);
                self.send(at, part);
            }
        }
        while let Some((job, index, ..)) = self.schedule.next_check() {
            self.schedule.checked(job, index, index.is_multiple_of(2));
        }
        for job in self.schedule.take_complete() {
            self.schedule.landed(job, Ok(()));
        }
        for job in self.schedule.hopeless() {
            self.schedule.end(job, Outcome::Failed(FetchError::Nobody));
        }
        self.now += STEP;
    }

    fn ask(&mut self, at: usize) {
        let id = self.seeders[at].id;
        while let Some(work) = self.schedule.next(id, self.now) {
            match work {
                Work::Want { .. } => unreachable!("every content is stated"),
                Work::Begin(files) => {
                    for (job, _, size) in files {
                        let chunks = Layout::new(size).unwrap().chunks();
                        self.schedule.begun(job, Ok(Begun::nothing(chunks)));
                    }
                }
                Work::Run { pages, get } => {
                    for (request, root, page) in pages {
                        self.answer_page(at, request, root, page);
                    }
                    if let Some((request, items)) = get {
                        self.asked += items.iter().map(|item| u64::from(item.count)).sum::<u64>();
                        self.seeders[at].queue.push_back((request, items.into(), false));
                    }
                }
            }
        }
    }

    fn answer_page(&mut self, at: usize, request: u32, root: Root, page: Option<u64>) {
        let id = self.seeders[at].id;
        if self.seeders[at].changes {
            self.schedule.changed(id, root);
        }
        let manifest = self.manifests[self.job_of(&root)].as_ref();
        let values = manifest.map(|manifest| match page {
            Some(page) => manifest.page(page).to_vec(),
            None => manifest.page_values(),
        });
        match values {
            Some(values) => self.schedule.page(id, request, values).unwrap(),
            None => self.schedule.failed(id, request, Missing::Refused).unwrap(),
        }
    }

    /// Sends what `part` of the rate allows, chunk by chunk.
    fn send(&mut self, at: usize, part: f64) {
        let seeder = &mut self.seeders[at];
        // A seeder that has nothing to send does not save up.
        if seeder.queue.is_empty() {
            seeder.credit = 0.0;
            return;
        }
        if seeder.trickles.is_some_and(|from| from <= self.now) {
            return self.schedule.stirred(seeder.id, self.now);
        }
        let allowance = seeder.rate * part * STEP.as_secs_f64();
        seeder.credit += allowance;
        if allowance > 0.0 {
            self.schedule.heard(seeder.id, allowance as u64, self.now);
        }
        while let Some((request, items, begun)) = self.seeders[at].queue.front().cloned() {
            let id = self.seeders[at].id;
            let Some(item) = items.front() else {
                self.seeders[at].queue.pop_front();
                self.schedule.run_ended(id, self.now);
                continue;
            };
            let (job, index) = (self.job_of(&item.root), item.first);
            let len = Layout::new(self.size_of(job)).unwrap().chunk_len(index);
            if self.seeders[at].credit < len as f64 {
                return;
            }
            if !begun {
                self.schedule.run_came(id, request, items.len(), self.now).unwrap();
                self.seeders[at].queue[0].2 = true;
            }
            self.deliver(at, job, index, len);
        }
    }

    fn size_of(&self, job: usize) -> u64 {
        self.schedule.jobs[job].offers[0].size
    }

    fn deliver(&mut self, at: usize, job: usize, index: u64, len: u64) {
        let seeder = &mut self.seeders[at];
        seeder.credit -= len as f64;
        seeder.sent += len;
        let item = seeder.queue.front_mut().and_then(|(_, items, _)| items.front_mut()).unwrap();
        (item.first, item.count) = (index + 1, item.count - 1);
        if item.count == 0 {
            seeder.queue.front_mut().unwrap().1.pop_front();
        }
        let (id, lies) = (seeder.id, seeder.lies);
        match self.schedule.chunk_came(id, job, index) {
            Arrival::Take { .. } if lies => self.schedule.refused(id, job, index),
            Arrival::Take { .. } => {
                self.taken += len;
                self.schedule.taken(id, job, index);
            }
            Arrival::Drop => {}
        }
    }

    fn all_done(&self) -> bool {
        self.schedule.outcomes().iter().all(|end| matches!(end, Some(Outcome::Done)))
    }
}

#[test]
fn one_source_is_asked_for_everything_once() {
    let sizes = [300 * CHUNK + 7, 5, 0, CHUNK, CHUNK + 1];
    let mut play = Play::with(&sizes, &[100.0 * MB]);
    let time = play.run().as_secs_f64();
    assert!(play.all_done());
    assert_eq!(play.taken, sizes.iter().sum::<u64>());
    assert_eq!(play.asked, 301 + 1 + 1 + 1 + 2);
    // 315 MB at 100 MB/s.
    assert!((3.1..3.4).contains(&time), "{time}");
}

#[test]
fn two_equal_sources_take_half_the_time() {
    let size = [100 * CHUNK];
    let one = Play::with(&size, &[20.0 * MB]).run().as_secs_f64();
    let mut two = Play::with(&size, &[20.0 * MB, 20.0 * MB]);
    let time = two.run().as_secs_f64();
    assert!(one / time > 1.85, "{one} s alone, {time} s together");
    assert!(two.seeders.iter().all(|seeder| seeder.sent > 40 * CHUNK));
}

#[test]
fn a_slow_third_never_makes_it_slower() {
    for chunks in [3, 10, 40, 100, 400] {
        let size = [chunks * CHUNK];
        let two = Play::with(&size, &[20.0 * MB, 20.0 * MB]).run().as_secs_f64();
        for order in 0..3 {
            let mut rates = [20.0 * MB; 3];
            rates[order] = 2.0 * MB;
            let three = Play::with(&size, &rates).run().as_secs_f64();
            assert!(three <= two * 1.05 + 0.1, "{chunks} chunks: {two} s, then {three} s");
        }
    }
}

#[test]
fn very_unequal_sources_end_together() {
    let mut play = Play::with(&[2000 * CHUNK], &[500.0 * MB, 100.0 * MB, 10.0 * MB, MB]);
    let time = play.run().as_secs_f64();
    let ideal = 2000.0 * CHUNK as f64 / (611.0 * MB);
    assert!(time < ideal * 1.15, "{time} s, not {ideal}");
}

#[test]
fn one_that_falls_silent_costs_its_share_only() {
    let mut play = Play::with(&[200 * CHUNK], &[20.0 * MB, 20.0 * MB]);
    for _ in 0..100 {
        play.step();
    }
    play.seeders[0].rate = 0.0;
    let time = play.run().as_secs_f64();
    // 1 s together, the other 170 MB alone, and what it took to see that nothing comes.
    assert!(time < 1.0 + 8.6 + 2.5, "{time} s");
    assert!(play.all_done());
}

#[test]
fn those_that_trickle_keep_nothing_from_coming() {
    let alone = Play::with(&[60 << 20], &[10.0 * MB]).run();
    // One link; two links of one device; two devices.
    for links in [&[0][..], &[0, 0], &[0, 2]] {
        let mut play = Play::new(&[60 << 20], 3, None);
        play.join(1, 10.0 * MB);
        links.iter().for_each(|number| play.join(*number, 50.0 * MB));
        let from = play.now + 20 * STEP;
        play.seeders[1..].iter_mut().for_each(|seeder| seeder.trickles = Some(from));
        let time = play.run();
        assert!(play.all_done() && time < alone + Duration::from_secs(5), "{links:?}: {time:?}");
    }
}

#[test]
fn one_that_leaves_is_replaced_and_one_that_joins_helps() {
    let mut play = Play::new(&[200 * CHUNK], 3, None);
    play.join(0, 20.0 * MB);
    for _ in 0..200 {
        play.step();
    }
    play.leave(0);
    for _ in 0..10 {
        play.step();
    }
    play.join(1, 20.0 * MB);
    play.join(2, 60.0 * MB);
    let time = play.run().as_secs_f64();
    assert!(time < 2.1 + 170.0 / 80.0 + 0.8, "{time} s");
    assert_eq!(play.taken, 200 * CHUNK, "nothing counts twice");
}

#[test]
fn a_liar_is_named_once_and_costs_nothing_but_what_it_sent() {
    let mut play = Play::with(&[60 * CHUNK, 10 * CHUNK], &[20.0 * MB, 20.0 * MB]);
    play.seeders[1].lies = true;
    play.run();
    assert!(play.all_done());
    assert_eq!(play.schedule.take_wrong(), [device(1)]);
    assert!(play.schedule.take_wrong().is_empty());
    assert!(
        play.schedule.has_lied(play.seeders[1].id) && !play.schedule.has_lied(play.seeders[0].id)
    );
}

#[test]
fn a_liar_is_not_taken_for_a_further_source() {
    let sizes = [6 * CHUNK, 6 * CHUNK];
    let mut play = Play::with(&sizes, &[2.0 * MB, 20.0 * MB]);
    play.schedule.jobs[1].offers.truncate(1);
    play.seeders[1].lies = true;
    while !play.schedule.has_lied(play.seeders[1].id) {
        play.step();
    }
    let late = Offer { device: device(1), ..play.schedule.jobs[1].offers[0].clone() };
    play.schedule.add_offer(1, late);
    assert!(!play.schedule.needs(device(1), None));
    let honest = Offer { device: device(2), ..play.schedule.jobs[1].offers[0].clone() };
    play.schedule.add_offer(1, honest);
    assert!(play.schedule.needs(device(2), None));
    play.run();
    assert!(play.all_done());
}

#[test]
fn who_says_that_its_file_changed_is_no_liar() {
    let mut play = Play::with(&[20 * CHUNK], &[20.0 * MB, 20.0 * MB]);
    (play.seeders[1].lies, play.seeders[1].changes) = (true, true);
    play.run();
    assert!(play.all_done());
    assert!(play.schedule.take_wrong().is_empty());
    let reason = play.schedule.reason(0).map(|(device, reason)| (device, format!("{reason:?}")));
    assert_eq!(reason, Some((device(1), "Missing(Changed)".into())));
}

#[test]
fn when_all_lie_it_ends() {
    let mut play = Play::with(&[20 * CHUNK], &[20.0 * MB, 5.0 * MB]);
    play.seeders.iter_mut().for_each(|seeder| seeder.lies = true);
    play.run();
    assert!(!play.all_done());
    assert!(matches!(play.schedule.reason(0), Some((_, Reason::Wrong))));
    assert_eq!(play.taken, 0);
}

#[test]
fn small_files_share_runs() {
    let mut play = Play::new(&[4096; 200], 1, None);
    play.roots.iter_mut().zip(0u8..).for_each(|(root, number)| assert_eq!(root.0, [number; 32]));
    play.join(0, 50.0 * MB);
    let mut runs = 0;
    while !play.schedule.is_over() {
        play.ask(0);
        runs += play.seeders[0].queue.len();
        play.step();
    }
    assert!(play.all_done());
    assert!(runs <= 4, "{runs} runs for 200 files");
}

#[test]
fn nothing_beyond_the_window_is_asked_for() {
    let mut play = Play::new(&[100 * CHUNK], 2, Some(8));
    play.join(0, 30.0 * MB);
    play.join(1, MB);
    while !play.schedule.is_over() {
        play.step();
        let Some(file) = play.schedule.file(0) else { continue };
        let front = file.front();
        let last = file.done.iter().last().map_or(0, |range| range.end);
        assert!(last <= front + 8, "{last} is there, and {front} is missing");
    }
    assert!(play.all_done());
}

#[test]
fn what_an_earlier_process_left_is_read_again_and_fetched_only_if_it_is_damaged() {
    let size = 5000 * CHUNK;
    let mut play = Play::new(&[size], 1, None);
    let begin = play.schedule.add(device(0), Way::Relay, play.now);
    assert!(matches!(play.schedule.next(begin, play.now), Some(Work::Begin(_))));
    let begun = Begun {
        missing: std::iter::once(4990..5000).collect(),
        earlier: std::iter::once(0..4990).collect(),
        starts: Vec::new(),
    };
    play.schedule.begun(0, Ok(begun));
    play.schedule.remove(begin);
    play.join(0, 1000.0 * MB);
    play.run();
    assert!(play.all_done());
    // The odd ones turn out to be damaged.
    assert_eq!(play.taken, (10 + 4990 / 2) * CHUNK);
}

#[test]
fn what_is_given_on_is_read_again_to_its_end() {
    let chunks = 5 * sealift_proto::manifest::PAGE_CHUNKS;
    let mut play = Play::new(&[chunks * CHUNK], 1, None);
    play.schedule.give_on();
    let source = play.schedule.add(device(0), Way::Tcp, play.now);
    assert!(matches!(play.schedule.next(source, play.now), Some(Work::Begin(_))));
    let begun = Begun { earlier: std::iter::once(0..chunks).collect(), ..Begun::default() };
    play.schedule.begun(0, Ok(begun));
    play.schedule.remove(source);
    play.join(0, MB);
    let mut checked = 0;
    for _ in 0..10 {
        play.ask(0);
        while let Some((job, index, ..)) = play.schedule.next_check() {
            play.schedule.checked(job, index, true);
            checked += 1;
        }
    }
    assert_eq!((checked, play.schedule.take_complete()), (chunks, vec![0]));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever sources do, every chunk counts once, and all ends well as long as an honest one stays.
    #[test]
    fn ends_well_whatever_sources_do(
        sizes in proptest::collection::vec(0u64..12 * CHUNK, 1..6),
        others in proptest::collection::vec((0.0f64..60.0, any::<bool>(), any::<bool>(), 0usize..400), 0..4),
    ) {
        let mut play = Play::new(&sizes, others.len() as u8 + 1, None);
        play.join(0, 10.0 * MB);
        for ((rate, lies, changes, _), number) in others.iter().zip(1..) {
            play.join(number, rate * MB);
            let seeder = play.seeders.last_mut().unwrap();
            (seeder.lies, seeder.changes) = (*lies, *changes);
        }
        for step in 0..400 {
            for (at, (.., leaves)) in others.iter().enumerate() {
                if *leaves == step {
                    play.leave(at + 1);
                }
            }
            play.step();
        }
        play.run();
        prop_assert!(play.all_done());
        prop_assert_eq!(play.taken, sizes.iter().sum::<u64>());
        let wrong = play.schedule.take_wrong();
        prop_assert!(!wrong.contains(&device(0)));
    }
}
