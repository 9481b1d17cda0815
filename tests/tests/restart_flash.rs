//! The power fails in any step, and what was promised holds.

#[path = "restart/device.rs"]
mod device;
#[path = "restart/dice.rs"]
mod dice;
#[path = "restart/flash.rs"]
mod flash;

use device::{Plan, World};
use flash::{Memory, Power};
use mqtt_session::flash::{Flash, FlashError};
use mqtt_session::{Acknowledge, Client, Config, Fixed, Instant, Publish, QoS, TopicName};

const PLANS: [Plan; 4] = [
    Plan {
        acknowledge: Acknowledge::Manually,
        write: usize::MAX,
        read: usize::MAX,
        window: None,
        saves_late: false,
    },
    Plan {
        acknowledge: Acknowledge::Automatically,
        write: usize::MAX,
        read: usize::MAX,
        window: Some(2),
        saves_late: false,
    },
    Plan {
        acknowledge: Acknowledge::Manually,
        write: 11,
        read: 7,
        window: Some(2),
        saves_late: false,
    },
    Plan {
        acknowledge: Acknowledge::Automatically,
        write: 7,
        read: 11,
        window: None,
        saves_late: false,
    },
];

/// Fails once in each step there is; how many there are.
fn in_every_step(plan: Plan) -> usize {
    let mut steps = 0;
    loop {
        let mut world = World::new(plan, steps as u64);
        world.run(&[steps]);
        if world.failures == 0 {
            return steps;
        }
        steps += 1;
    }
}

#[test]
fn the_power_may_fail_in_any_step() {
    for plan in PLANS {
        let steps = in_every_step(plan);
        println!("{steps} steps: {plan:?}");
        assert!(steps > 200, "only {steps} steps");
    }
}

/// Several times, after any number of steps each.
#[test]
fn the_power_may_fail_again_and_again() {
    let (mut failures, mut loaded) = (0, 0);
    for seed in 0..400 {
        let mut dice = dice::Dice::new(seed);
        let plan = PLANS[dice.below(PLANS.len())];
        let lives: Vec<usize> = (0..8).map(|_| 1 + dice.below(200)).collect();
        let mut world = World::new(plan, seed);
        world.run(&lives);
        failures += world.failures;
        loaded += world.loaded;
    }
    println!("{failures} failures, {loaded} sessions loaded");
    assert!(failures > 800 && loaded > 800);
}

/// The test would see it if the order were another.
#[test]
fn what_is_saved_behind_the_sending_comes_too_late() {
    let late = |plan: Plan| {
        let plan = Plan {
            saves_late: true,
            ..plan
        };
        std::panic::catch_unwind(|| in_every_step(plan)).is_err()
    };
    assert_eq!(PLANS.map(late), [true; 4]);
}

/// One area is damaged by something else: the other is as old as one save. Both are: that is
/// told, and nothing begins anew by itself.
#[test]
fn damage_that_no_failing_power_does_is_told() {
    let power = Power::default();
    let memory = Memory::new(1024, &power, 1);
    let mut flash = Flash::<_, 64>::new(memory.clone(), 0, 512).unwrap();
    let mut buffer = [0; 512];
    assert_eq!(flash.load(&mut buffer), Ok(None));
    let mut client = Client::new(Config::default(), Fixed::<4, 4, 256, 128>::new());
    let now = Instant::from_secs(0);
    let topic = TopicName::new("t").unwrap();
    let publish = Publish::new(topic, b"p").qos(QoS::AtLeastOnce);
    for saved in [true, false] {
        assert_eq!(flash.save(&mut client, now), Ok(saved));
    }
    client.publish(now, &publish).unwrap();
    assert_eq!(flash.save(&mut client, now), Ok(true));
    let second = flash.load(&mut buffer).unwrap().unwrap().to_vec();
    memory.rots(512 + 70);
    let first = flash.load(&mut buffer).unwrap().unwrap().to_vec();
    assert!(first.len() < second.len());
    memory.rots(70);
    assert_eq!(flash.load(&mut buffer), Err(FlashError::Damaged));
    assert_eq!(flash.save(&mut client, now), Err(FlashError::Damaged));
    flash.clear().unwrap();
    assert_eq!(flash.save(&mut client, now), Ok(true));
    let again = flash.load(&mut buffer).unwrap().unwrap();
    assert_eq!(again, second);
    let small = &mut [0; 10];
    let needed = second.len();
    assert_eq!(flash.load(small), Err(FlashError::TooSmall { needed }));
    let large = vec![0; 150];
    let publish = Publish::new(topic, &large).qos(QoS::AtLeastOnce);
    client.publish(now, &publish).unwrap();
    let mut small = Flash::<_, 128>::new(memory.clone(), 0, 256).unwrap();
    let refused = small.save(&mut client, now);
    assert!(
        matches!(refused, Err(FlashError::TooSmall { .. })),
        "{refused:?}"
    );
    for (start, len) in [(0, 300), (8, 256), (0, 768), (512, 512)] {
        let place = Flash::<_, 64>::new(memory.clone(), start, len).map(drop);
        assert_eq!(place, Err(FlashError::Place));
    }
}
