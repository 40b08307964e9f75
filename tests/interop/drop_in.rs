//! An application of RQ whose `rq worker` is replaced by `rq-rs worker --exec-server '*=python handler.py'`.

use std::path::Path;

use serde_json::json;

use crate::python::{InteropEnv, RqVersion};

#[test]
fn an_application_of_rq_runs_unmodified_with_objects_that_only_python_can_read() {
    for rq in [RqVersion::Three, RqVersion::Two] {
        let both = InteropEnv::with(rq, rq_rs::Serializer::Pickle);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("again");
        let ids = both.run_script("drop_in.py", &["enqueue", file.to_str().unwrap()]);
        let ids: Vec<&str> = ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let server = format!(
            "*=env PYTHONPATH={} {} {}",
            root.join("tests/interop/python").display(),
            both.interpreter().display(),
            root.join("examples/handlers/handler.py").display()
        );
        both.env.cli(&["worker", "--burst", "-c", "1", "--exec-server", &server]).ok();
        let checked = both.run_script("drop_in.py", &[&["check"], ids.as_slice()].concat());
        assert_eq!(checked["wrong"], json!([]), "{checked}");
        let finished = "finished";
        assert_eq!(
            checked["status"],
            json!([finished, finished, finished, finished, "failed", finished, "failed", finished]),
        );
        assert!(checked["error"].as_str().unwrap().ends_with("ValueError: no paper"), "{checked}");
        assert_eq!(both.env.cli(&["job", "logs", ids[0]]).ok(), "moving Point(1, 2)");
    }
}
