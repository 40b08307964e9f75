//! The guide's own example: a web service lets people like posts, and a background job recounts
//! the likes of a post, given its primary key. The store here is in memory; yours is a database.
//!
//!     cargo run --example post_likes

use rq_rs::{Context, NewJob, Queue, Retry, Worker};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

#[derive(Default)]
struct Post {
    liked_by: Vec<&'static str>,
    likes: usize,
}

/// Posts by primary key.
static POSTS: LazyLock<Mutex<HashMap<u64, Post>>> = LazyLock::new(|| {
    let liked_by = vec!["ada", "grace", "edsger"];
    Mutex::new(HashMap::from([(42, Post { liked_by, likes: 0 }), (43, Post::default())]))
});

/// Arguments are small and JSON-able: the key, not the post.
fn recount_likes(_: &Context, post: u64) -> anyhow::Result<usize> {
    let mut posts = POSTS.lock().map_err(|_| anyhow::anyhow!("the store is broken"))?;
    let post = posts.get_mut(&post).ok_or_else(|| anyhow::anyhow!("no post {post}"))?;
    post.likes = post.liked_by.len();
    Ok(post.likes)
}

fn main() -> anyhow::Result<()> {
    let url = std::env::var("RQ_REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1/".into());

    // The request handler enqueues the job and responds at once.
    let queue = Queue::connect(&url, "likes")?;
    let job = queue.enqueue("recount_likes", 42)?;
    let hopeless =
        queue.enqueue_job(NewJob::new("recount_likes", 404).retry(Retry::every(Duration::ZERO, 2)))?;

    // The worker's process.
    let done = Worker::connect(&url, ["likes"])?.handler("recount_likes", recount_likes).burst(true).run()?;

    let likes: usize = job.wait(Duration::from_secs(10))?;
    println!("post 42 has {likes} likes");
    println!("{} finished, {} tried again, {} failed", done.finished, done.retried, done.failed);
    println!(
        "failed: {:?}",
        queue.job(hopeless.id())?.exc_info.as_deref().and_then(|text| text.lines().next())
    );
    Ok(())
}
