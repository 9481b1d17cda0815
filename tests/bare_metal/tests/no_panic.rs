//! A panic that can be reached does not get into an image for the Cortex-M: it fails the link.

use mqtt_bare_metal::cross::{CORTEX_M0, CORTEX_M3, CORTEX_M4F, Program, Toolchain};
use mqtt_bare_metal::image::{Image, PANICS};
use mqtt_tests::required::required;

const CLIENT: Program<'_> = Program {
    package: "size",
    name: "client",
    target: CORTEX_M3,
    features: "no-panic",
};

#[test]
fn the_client_links_where_nothing_may_panic() {
    let Some(toolchain) = required(Toolchain::find()) else {
        return;
    };
    for target in [CORTEX_M0, CORTEX_M3, CORTEX_M4F] {
        let path = toolchain.build(&Program { target, ..CLIENT }).unwrap();
        let image = Image::read(&path).unwrap();
        assert!(!image.named(&["mqtt_session"]).is_empty());
        assert_eq!(image.named(PANICS), [""; 0], "{target}");
    }
}

#[test]
fn a_panic_that_can_be_reached_fails_the_link() {
    let Some(toolchain) = required(Toolchain::find()) else {
        return;
    };
    let features = "no-panic,panic";
    let error = toolchain
        .build(&Program { features, ..CLIENT })
        .unwrap_err();
    assert!(error.contains("a_panic_can_be_reached"), "{error}");
    // And it is found by its name where the link does not fail.
    let features = "panic";
    let path = toolchain.build(&Program { features, ..CLIENT }).unwrap();
    assert!(!Image::read(&path).unwrap().named(PANICS).is_empty());
}
