//! Links that are lost in the midst of a chunk.

use super::*;

/// Has source `id` send `bytes` of the first chunk it was asked for, and lose its link.
fn interrupt(schedule: &mut Schedule, id: SourceId, job: usize, bytes: &[u8]) {
    schedule.interrupted(id, job, 0, bytes);
    schedule.remove(id);
}

/// The Get that source `id` is to send first.
fn first_get(play: &mut Play, id: SourceId) -> (u32, Item) {
    loop {
        match play.schedule.next(id, play.now).unwrap() {
            Work::Begin(files) => {
                files.iter().for_each(|(job, ..)| play.schedule.begun(*job, Ok(Begun::nothing(9))));
            }
            Work::Run { get: Some((request, items)), .. } => return (request, items[0]),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_came_of_a_chunk_is_not_asked_for_again_of_whoever_sent_it() {
    let mut play = Play::new(&[9 * CHUNK], 2, None);
    let link = |play: &mut Play, of| play.schedule.add(device(of), Way::Relay, play.now);
    let mut there = Vec::new();
    for _ in 0..3 {
        let id = link(&mut play, 0);
        let (_, item) = first_get(&mut play, id);
        assert_eq!((item.first, item.skip as usize), (0, there.len()));
        there.extend([7; 190_000]);
        interrupt(&mut play.schedule, id, 0, &there);
        assert_eq!(play.schedule.parts(), (there.len() as u64, 0));
    }
    let other = link(&mut play, 1);
    assert_eq!(first_get(&mut play, other).1.skip, 0);
    play.schedule.remove(other);
    let id = link(&mut play, 0);
    let (request, _) = first_get(&mut play, id);
    let coming = play.schedule.run_came(id, request, 1, play.now).unwrap();
    assert_eq!(coming[0].start.as_deref(), Some(&there[..]));
    let page = play.manifests[0].as_ref().unwrap().page(0).to_vec();
    play.schedule.file(0).unwrap().pages.take(Some(0), page).unwrap();
    assert!(matches!(play.schedule.chunk_came(id, 0, 0), Arrival::Take { .. }));
    play.schedule.taken(id, 0, 0);
    assert_eq!(play.schedule.parts(), (0, 0));
}

#[test]
fn a_wrong_chunk_in_two_parts_accuses_nobody_and_a_whole_one_does() {
    let mut play = Play::new(&[9 * CHUNK], 1, None);
    let mut lost = 0;
    while play.schedule.wrong.is_empty() {
        let id = play.schedule.add(device(0), Way::Relay, play.now);
        let (request, item) = first_get(&mut play, id);
        let page = play.manifests[0].as_ref().unwrap().page(0).to_vec();
        play.schedule.file(0).unwrap().pages.take(Some(0), page).unwrap();
        if item.skip == 0 && lost < 4 {
            lost += 1;
            interrupt(&mut play.schedule, id, 0, &[1; 100]);
            continue;
        }
        play.schedule.run_came(id, request, 1, play.now).unwrap();
        play.schedule.chunk_came(id, 0, 0);
        if item.skip > 0 {
            play.schedule.joined_wrongly(id, 0, 0);
            assert!(play.schedule.probe(id, play.now).is_none());
        } else {
            play.schedule.refused(id, 0, 0);
            let Some(Work::Run { pages, .. }) = play.schedule.probe(id, play.now) else {
                panic!("it is asked about the file")
            };
            play.schedule.page(id, pages[0].0, Vec::new()).unwrap();
        }
        play.schedule.remove(id);
    }
    // Twice what it sent in two parts was wrong; then no start of it was taken.
    assert_eq!((lost, play.schedule.wrong.clone()), (4, vec![device(0)]));
}
