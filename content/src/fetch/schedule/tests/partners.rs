//! Sources that have a part of a content.

use sealift_proto::message::ChunkRun;

use super::*;

/// A file of eight chunks at one seeder that has said that it has all of what it states, and so many partners that have named
/// nothing yet.
struct Swarm {
    play: Play,
    seeder: SourceId,
    partners: Vec<SourceId>,
}

fn run(first: u64, count: u64) -> ChunkRun {
    ChunkRun { first, count }
}

impl Swarm {
    fn new(partners: u8) -> Self {
        let mut play = Play::new(&[8 * CHUNK], 1, None);
        let (schedule, now) = (&mut play.schedule, play.now);
        let seeder = schedule.add(device(0), Way::Tcp, now);
        schedule.says_complete(seeder);
        let partners =
            (1..=partners).map(|number| schedule.add(device(number), Way::Tcp, now)).collect();
        let Some(Work::Begin(files)) = schedule.next(seeder, now) else { panic!("to be begun") };
        files.iter().for_each(|(job, ..)| schedule.begun(*job, Ok(Begun::nothing(8))));
        Self { play, seeder, partners }
    }

    fn root(&self) -> Root {
        self.play.roots[0]
    }

    fn have(&mut self, partner: usize, chunks: &[ChunkRun]) {
        let root = self.root();
        self.play.schedule.have(self.partners[partner], &root, chunks);
    }

    /// The chunks that source `id` is asked for now, one run; pages are answered.
    fn asked(&mut self, id: SourceId) -> Option<(u32, Vec<Item>)> {
        loop {
            match self.play.schedule.next(id, self.play.now)? {
                Work::Run { pages, get } => {
                    for (request, _, page) in pages {
                        let manifest = self.play.manifests[0].as_ref().unwrap();
                        let values = manifest.page(page.unwrap()).to_vec();
                        self.play.schedule.page(id, request, values).unwrap();
                    }
                    if let Some((request, items)) = get {
                        return Some((request, items));
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// All chunks that source `id` is asked for until it is asked for nothing more; each is answered by `there`.
    fn play(&mut self, id: SourceId, there: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut all = Vec::new();
        while let Some((request, items)) = self.asked(id) {
            let schedule = &mut self.play.schedule;
            schedule.run_came(id, request, items.len(), self.play.now).unwrap();
            for index in
                items.iter().flat_map(|item| item.first..item.first + u64::from(item.count))
            {
                all.push(index);
            }
            for item in &items {
                let chunks = item.first..item.first + u64::from(item.count);
                if !chunks.clone().all(&there) {
                    schedule.item_passed(id, Some(Missing::Gone));
                    continue;
                }
                for index in chunks {
                    let arrival = schedule.chunk_came(id, 0, index);
                    assert!(matches!(arrival, Arrival::Take { .. }), "{index}");
                    schedule.taken(id, 0, index);
                }
            }
            schedule.run_ended(id, self.play.now);
        }
        all.sort_unstable();
        all
    }
}

#[test]
fn a_partner_is_asked_for_what_it_has_named_alone() {
    let mut swarm = Swarm::new(1);
    let partner = swarm.partners[0];
    swarm.have(0, &[]);
    assert!(swarm.asked(partner).is_none(), "it has named nothing");
    swarm.have(0, &[run(2, 1), run(5, 2)]);
    assert_eq!(swarm.play(partner, |_| true), [2, 5, 6]);
    swarm.have(0, &[run(7, 1 << 23)]);
    assert_eq!(swarm.play(partner, |_| true), [7], "no more than the file has");
    let seeder = swarm.seeder;
    assert_eq!(swarm.play(seeder, |_| true), [0, 1, 3, 4]);
    assert_eq!(swarm.play.schedule.take_complete(), [0]);
}

#[test]
fn whoever_has_all_is_asked_first_for_what_no_partner_has() {
    let mut swarm = Swarm::new(2);
    swarm.have(0, &[run(0, 3)]);
    swarm.have(1, &[run(4, 2)]);
    let seeder = swarm.seeder;
    let (_, items) = swarm.asked(seeder).unwrap();
    assert_eq!(items[0].first, 3);
    // Where its partners have everything between them, it gives what is missing all the same.
    swarm.have(1, &[run(3, 5)]);
    assert!(swarm.asked(seeder).is_some());
}

#[test]
fn those_who_fetch_together_begin_at_different_places() {
    let begins = |turn| {
        let mut swarm = Swarm::new(1);
        swarm.play.schedule.set_turn(turn);
        swarm.play.schedule.set_partner(device(1), true);
        let seeder = swarm.seeder;
        let (_, items) = swarm.asked(seeder).unwrap();
        items[0].first
    };
    assert_eq!([0, 1 << 63, u64::MAX].map(begins), [0, 4, 7]);
    let mut swarm = Swarm::new(1);
    swarm.play.schedule.set_turn(1 << 63);
    swarm.have(0, &[run(5, 3)]);
    let seeder = swarm.seeder;
    assert_eq!(swarm.play(seeder, |_| true), (0..8).collect::<Vec<_>>(), "and end with all");
}

#[test]
fn a_partners_link_through_the_relay_is_asked_for_nothing() {
    let mut swarm = Swarm::new(0);
    let (schedule, now) = (&mut swarm.play.schedule, swarm.play.now);
    schedule.set_partner(device(1), true);
    assert!(schedule.needs_direct(device(1)) && !schedule.needs_direct(device(0)));
    swarm.partners = [Way::Relay, Way::Tcp].map(|way| schedule.add(device(1), way, now)).into();
    swarm.have(0, &[run(0, 8)]);
    let [relayed, direct] = swarm.partners[..] else { panic!("two links") };
    assert!(swarm.asked(relayed).is_none());
    assert!(swarm.asked(direct).is_some());
}

#[test]
fn of_what_a_partner_has_comes_first_what_fewest_have() {
    let mut swarm = Swarm::new(3);
    swarm.have(0, &[run(0, 8)]);
    swarm.have(1, &[run(0, 5)]);
    swarm.have(2, &[run(0, 4), run(6, 2)]);
    let partner = swarm.partners[0];
    let (_, items) = swarm.asked(partner).unwrap();
    assert_eq!((items[0].first, items[0].count), (5, 1), "nobody else has it");
}

#[test]
fn partners_finish_what_none_of_them_has_whole_when_the_seeder_has_gone() {
    let mut swarm = Swarm::new(2);
    let seeder = swarm.seeder;
    swarm.play.schedule.remove(seeder);
    swarm.have(0, &[run(0, 5)]);
    swarm.have(1, &[run(3, 5)]);
    let mut came = 0;
    for partner in swarm.partners.clone() {
        came += swarm.play(partner, |_| true).len();
    }
    assert_eq!((came, swarm.play.schedule.take_complete()), (8, vec![0]));
}

#[test]
fn a_partner_that_has_not_what_it_names_is_left_in_the_end() {
    let mut swarm = Swarm::new(1);
    let partner = swarm.partners[0];
    let mut asked = 0;
    for _ in 0..40 {
        swarm.have(0, &[run(0, 8)]);
        asked += swarm.play(partner, |_| false).len();
    }
    assert!((8..=16 * 8).contains(&asked), "{asked}");
    assert!(swarm.asked(partner).is_none());
    let seeder = swarm.seeder;
    assert_eq!(swarm.play(seeder, |_| true).len(), 8, "the others are asked as before");
}

#[test]
fn naming_without_end_takes_no_memory_without_end() {
    let size = CHUNK << 17;
    let mut play = Play::new(&[size], 1, None);
    let partner = play.schedule.add(device(1), Way::Tcp, play.now);
    let root = play.roots[0];
    for first in (0..1 << 17).step_by(2) {
        play.schedule.have(partner, &root, &[run(first, 1)]);
    }
    let kept = play.schedule.parts_of(partner).unwrap().of(0).unwrap().len();
    assert!(kept <= 16_384, "{kept}");
    play.schedule.have(partner, &Root([9; 32]), &[run(u64::MAX, u64::MAX)]);
    play.schedule.have(partner, &root, &[run(u64::MAX, u64::MAX)]);
    let parts = play.schedule.parts_of(partner).unwrap();
    assert_eq!(parts.of(0).unwrap().len(), kept, "nothing more");
    assert!(parts.of(1).is_none());
}

#[test]
fn what_was_named_of_files_that_have_ended_leaves_room_for_others() {
    let size = CHUNK << 15;
    let mut play = Play::new(&[size, size], 1, None);
    let partner = play.schedule.add(device(0), Way::Tcp, play.now);
    let (schedule, roots) = (&mut play.schedule, play.roots.clone());
    let every_other = |schedule: &mut Schedule, root| {
        for first in (0..1 << 15).step_by(2) {
            schedule.have(partner, root, &[run(first, 1)]);
        }
    };
    every_other(schedule, &roots[0]);
    schedule.have(partner, &roots[1], &[run(0, 1)]);
    assert!(schedule.parts_of(partner).unwrap().of(1).is_none(), "there is no more room");
    schedule.end(0, Outcome::Done);
    every_other(schedule, &roots[1]);
    let parts = schedule.parts_of(partner).unwrap();
    assert!(parts.of(0).is_none());
    assert_eq!(parts.of(1).unwrap().len(), 16_384);
    // What touches becomes one, and makes room.
    schedule.unnamed(partner, 1, 0..4);
    schedule.have(partner, &roots[1], &[run(1, 1), run(3, 1), run(2, 1)]);
    assert_eq!(schedule.parts_of(partner).unwrap().of(1).unwrap().len(), 16_382);
}

#[test]
fn what_is_said_on_one_link_holds_for_all_links_of_the_device() {
    let mut swarm = Swarm::new(0);
    let (seeder, now) = (swarm.seeder, swarm.play.now);
    let root = swarm.root();
    let further = swarm.play.schedule.add(device(0), Way::Quic, now);
    swarm.play.schedule.have(further, &root, &[run(0, 1)]);
    assert!(!swarm.play.schedule.is_partial(further), "it has said that it has all");
    swarm.play.schedule.remove(seeder);
    swarm.play.schedule.remove(further);
    let [one, two] = [Way::Tcp, Way::Quic].map(|way| swarm.play.schedule.add(device(0), way, now));
    assert!(!swarm.play.schedule.is_partial(one));
    swarm.play.schedule.have(one, &root, &[run(2, 1)]);
    swarm.play.schedule.have(two, &root, &[run(5, 2)]);
    assert_eq!(swarm.play(two, |_| true), [2, 5, 6]);
    swarm.play.schedule.remove(one);
    assert!(swarm.asked(two).is_none(), "nothing else has been named");
}

#[test]
fn a_page_that_a_partner_does_not_give_does_not_keep_it_from_giving_others() {
    let mut play = Play::new(&[2 * CHUNK, 2 * CHUNK], 1, None);
    let (schedule, roots, now) = (&mut play.schedule, play.roots.clone(), play.now);
    let partner = schedule.add(device(0), Way::Tcp, now);
    roots.iter().for_each(|root| schedule.have(partner, root, &[run(0, 2)]));
    let mut asked = Vec::new();
    while let Some(work) = schedule.next(partner, now) {
        match work {
            Work::Begin(files) => {
                files.iter().for_each(|(job, ..)| schedule.begun(*job, Ok(Begun::nothing(2))));
            }
            Work::Run { pages, get: None } => {
                for (request, root, _) in pages {
                    asked.push(root);
                    schedule.failed(partner, request, Missing::Gone).unwrap();
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(asked, roots);
}

#[test]
fn what_is_said_of_other_contents_makes_nobody_partial() {
    let mut swarm = Swarm::new(0);
    swarm.play.schedule.remove(swarm.seeder);
    let silent = swarm.play.schedule.add(device(0), Way::Tcp, swarm.play.now);
    swarm.play.schedule.have(silent, &Root([9; 32]), &[run(0, 1)]);
    assert_eq!(swarm.play(silent, |_| true).len(), 8);
}

#[test]
fn partners_with_nothing_to_give_do_not_hold_a_download_up_for_ever() {
    let mut swarm = Swarm::new(1);
    let (seeder, partner) = (swarm.seeder, swarm.partners[0]);
    let seconds = |swarm: &mut Swarm, count| {
        swarm.play.now += Duration::from_secs(count);
        swarm.play.schedule.stillness(swarm.play.now).as_secs()
    };
    swarm.have(0, &[]);
    let (request, items) = swarm.asked(seeder).unwrap();
    assert_eq!((seconds(&mut swarm, 9), seconds(&mut swarm, 9)), (0, 0), "something is to come");
    let (schedule, now) = (&mut swarm.play.schedule, swarm.play.now);
    schedule.run_came(seeder, request, items.len(), now).unwrap();
    schedule.remove(seeder);
    assert!(swarm.asked(partner).is_none());
    // Naming what it does not have, or what is of no use, changes nothing.
    assert_eq!(seconds(&mut swarm, 20), 20);
    swarm.have(0, &[]);
    assert_eq!((seconds(&mut swarm, 20), seconds(&mut swarm, 20)), (40, 60));
    swarm.have(0, &[run(0, 1)]);
    assert!(swarm.asked(partner).is_some());
    assert_eq!(seconds(&mut swarm, 20), 0);
}

#[test]
fn whoever_has_said_that_it_has_all_names_nothing_less() {
    let mut swarm = Swarm::new(0);
    let (seeder, root) = (swarm.seeder, swarm.root());
    swarm.play.schedule.have(seeder, &root, &[run(0, 1)]);
    assert_eq!(swarm.play(seeder, |_| true).len(), 8);
}
