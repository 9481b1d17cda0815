//! What is logged, and where its numbers come from: they are addresses in a section that is never
//! loaded, as `defmt.x` lays it out.

fn main() {
    // By itself, `defmt` leaves out all but errors.
    println!("cargo::rustc-env=DEFMT_LOG=trace");
    println!("cargo::rerun-if-changed=host.x");
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("Cargo sets it");
    println!("cargo::rustc-link-arg-bins=-T{folder}/host.x");
    // GNU ld adds a script that ends with INSERT to its own; and what is moved as it is loaded has
    // no address yet.
    println!("cargo::rustc-link-arg-bins=-fuse-ld=bfd");
    println!("cargo::rustc-link-arg-bins=-no-pie");
}
