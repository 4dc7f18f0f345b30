//! What is Redis asked to do, each as a whole?

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($name:ident $file:literal)*) => {
        $(
            pub(super) static $name: LazyLock<Script> =
                LazyLock::new(|| Script::new(concat!(include_str!("shared.lua"), include_str!($file))));
        )*
    };
}

scripts! {
    BURY "bury.lua"
    FIND "find.lua"
    PRUNE "prune.lua"
    REGISTER "register.lua"
    REKEY "rekey.lua"
    REMOVE "remove.lua"
    STANDING "standing.lua"
    UNREGISTER "unregister.lua"
}
