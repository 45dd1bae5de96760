use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use freshet_core::position::StreamId;

use super::*;
use crate::watch::beacon::Reader;

const ENTRY: &[u8] = b"freshet:beacon:shop:main";
const SECOND: u64 = 1_000_000;

/// A cache of one entry.
#[derive(Default)]
struct Cache {
    entry: Mutex<Option<String>>,
    away: Mutex<bool>,
}

impl Cache {
    fn entry(&self) -> Option<String> {
        self.entry.lock().expect("unpoisoned").clone()
    }

    fn set(&self, entry: Option<&str>) {
        *self.entry.lock().expect("unpoisoned") = entry.map(str::to_owned);
    }

    fn is_away(&self) -> bool {
        *self.away.lock().expect("unpoisoned")
    }
}

impl Probe for Cache {
    async fn observe(&self, name: &[u8], version: Option<&EntryVersion>) -> Observation {
        assert_eq!((name, &*version.expect("asked").field), (ENTRY, FIELD));
        let Some(entry) = self.entry() else {
            return Observation::Absent;
        };
        let mark = entry.split('"').nth(3).map(str::to_owned);
        Observation::Present {
            remaining_ttl: None,
            version: mark,
        }
    }
}

impl Plant for Cache {
    async fn plant(&self, name: &[u8], value: &[u8], _ttl: Duration) -> Result<(), String> {
        assert_eq!(name, ENTRY);
        if self.is_away() {
            return Err("away".to_owned());
        }
        self.set(std::str::from_utf8(value).ok());
        Ok(())
    }
}

struct Scene {
    prove: Prove<Cache>,
    cache: Arc<Cache>,
    now: Arc<AtomicU64>,
    /// What the wall clock shows beyond `now`, in seconds.
    ahead: Arc<AtomicU64>,
    seat: BeaconSeat,
}

/// What the wall clock shows when the steady one shows zero, in seconds.
const DAY: u64 = 86_400;

fn clock_of(now: &Arc<AtomicU64>, ahead: &Arc<AtomicU64>) -> Clock {
    let (steady, now, ahead) = (Arc::clone(now), Arc::clone(now), Arc::clone(ahead));
    let wall = move || now.load(Ordering::Relaxed) + ahead.load(Ordering::Relaxed) * SECOND;
    Clock::from_hands(
        move || Steady(steady.load(Ordering::Relaxed)),
        move || WallMicros(wall()),
    )
}

impl Scene {
    async fn begin() -> Self {
        let seat = BeaconSeat {
            database: Arc::from("shop"),
            target: Arc::from("main"),
            topic: Arc::from("shop.public.freshet_beacon"),
            in_first_partition: true,
            within: Duration::from_secs(60),
            entry: Some((ENTRY.to_vec(), Duration::from_secs(3600))),
        };
        let now = Arc::new(AtomicU64::new(100 * SECOND));
        let (beacons, _beats) = Beacons::new(vec![seat.clone()], Steady(100 * SECOND));
        let reader = Reader::new("intake 0", StreamId(0));
        beacons.assigned(reader, &seat.topic, 0, Steady(100 * SECOND));
        let ahead = Arc::new(AtomicU64::new(DAY));
        let cache = Arc::new(Cache::default());
        let caches = BTreeMap::from([(Arc::clone(&seat.target), Arc::clone(&cache))]);
        let clock = clock_of(&now, &ahead);
        let mut prove = Prove::new(caches, beacons, Status::default(), clock);
        prove.plant_missing().await;
        Self {
            prove,
            cache,
            now,
            ahead,
            seat,
        }
    }

    fn at(&self, seconds: u64) {
        self.now.store(seconds * SECOND, Ordering::Relaxed);
    }

    async fn beat(&mut self, begun: u64) {
        let beat = Beat {
            database: Arc::from("shop"),
            target: Arc::from("main"),
            committed: WallMicros((DAY + begun) * SECOND),
            begun: Steady(begun * SECOND),
            answered: self.prove.clock.wall(),
        };
        self.prove.look(&beat).await;
        self.prove.tell();
    }

    fn age_s(&self) -> u64 {
        let now = self.prove.clock.now();
        self.prove.beacons.age(&self.seat, now).as_secs()
    }

    fn reasons(&self) -> Vec<String> {
        let unready = self.prove.status.unready();
        unready.into_iter().map(|it| it.reason).collect()
    }
}

#[tokio::test]
async fn p2_a_beacon_is_fresh_when_its_entry_is_gone() {
    let mut scene = Scene::begin().await;
    let first = scene.cache.entry().expect("planted");
    scene.at(110);
    scene.cache.set(None);
    scene.beat(110).await;
    assert_eq!((scene.age_s(), scene.reasons().len()), (0, 0));
    let second = scene.cache.entry().expect("planted for the next beat");
    assert_ne!(first, second);
    scene.at(130);
    scene.beat(105).await;
    assert_eq!(
        scene.age_s(),
        20,
        "sent before the entry was there: no proof"
    );
    assert!(scene.reasons().is_empty(), "and no failure");
    scene
        .cache
        .set(Some("{\"planted\":\"by another process\"}"));
    scene.beat(130).await;
    assert_eq!(scene.age_s(), 0, "another's entry is not the old one");
}

#[tokio::test]
async fn p2_a_purge_without_effect_is_told() {
    let mut scene = Scene::begin().await;
    scene.at(110);
    scene.beat(110).await;
    assert_eq!(scene.age_s(), 10, "answered is not effective");
    assert!(scene.reasons()[0].contains("the entry is still there"));
    scene.cache.set(None);
    scene.beat(110).await;
    assert_eq!((scene.age_s(), scene.reasons().len()), (0, 0));
}

#[tokio::test]
async fn p2_a_beacon_that_cannot_be_planted_proves_nothing() {
    let mut scene = Scene::begin().await;
    scene.cache.set(None);
    *scene.cache.away.lock().expect("unpoisoned") = true;
    scene.prove.planted.clear();
    scene.prove.plant_missing().await;
    scene.at(120);
    scene.beat(120).await;
    assert_eq!(scene.age_s(), 20, "nothing was there to go");
    scene.at(161);
    scene.prove.tell();
    assert!(scene.reasons()[0].contains("no beat within 60 s"));
    *scene.cache.away.lock().expect("unpoisoned") = false;
    scene.prove.plant_missing().await;
    scene.cache.set(None);
    scene.at(170);
    scene.beat(170).await;
    assert_eq!((scene.age_s(), scene.reasons().len()), (0, 0));
}

#[tokio::test]
async fn an_entry_is_planted_anew_before_it_expires() {
    let mut scene = Scene::begin().await;
    let first = scene.cache.entry();
    scene.at(100 + 1799);
    scene.prove.plant_missing().await;
    assert_eq!(scene.cache.entry(), first);
    scene.at(100 + 1800);
    scene.prove.plant_missing().await;
    assert_ne!(scene.cache.entry(), first);
}

#[tokio::test]
async fn p6_a_clock_that_is_set_makes_no_beacon_late_and_no_entry_old() {
    for ahead in [DAY - 3_600, DAY + 3_600] {
        let mut scene = Scene::begin().await;
        scene.at(110);
        scene.cache.set(None);
        scene.beat(110).await;
        assert_eq!(scene.age_s(), 0);
        scene.at(120);
        scene.ahead.store(ahead, Ordering::Relaxed);
        scene.prove.plant_missing().await;
        scene.prove.tell();
        assert_eq!(scene.age_s(), 10, "as old as it was");
        assert_eq!(scene.reasons(), Vec::<String>::new());
        scene.at(169);
        scene.prove.tell();
        assert_eq!(
            scene.reasons(),
            Vec::<String>::new(),
            "not late before its time"
        );
        scene.at(171);
        scene.prove.tell();
        assert_eq!(scene.reasons().len(), 1, "and late when it is");
    }
}
