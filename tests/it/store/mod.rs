//! What must every store do? Each behaviour is one test on each backend.

mod behaviours;
mod bulk;
pub(crate) mod fixture;
mod order;
mod pruning;
mod race;
mod retention;
mod schema;

/// One named test per behaviour and backend.
macro_rules! on_every_store {
    ($module:path: $($behaviour:ident),* $(,)?) => {
        mod sqlite {
            use $module as behaviours;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                behaviours::$behaviour($crate::store::fixture::sqlite().await).await;
            })*
        }
        mod postgres {
            use $module as behaviours;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $behaviour() {
                let Some(fixture) = $crate::store::fixture::postgres().await else { return };
                behaviours::$behaviour(fixture).await;
            })*
        }
    };
}
pub(crate) use on_every_store;
