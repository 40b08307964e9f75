//! A copy of an exchange, as it is on its way to Redis while the engine has its content again. Completions and claims of
//! the product cannot be cloned, because nobody may send them twice.

use crate::claim::{ClaimRequest, PoppedId};
use crate::completion::Completion;
use crate::worker::engine::Exchange;
use crate::worker::run::JobField;

#[derive(Debug)]
pub(super) struct ExchangeCopy {
    pub(super) field_updates: Vec<(JobField, Vec<u8>)>,
    pub(super) completions: Vec<Completion>,
    pub(super) claim: Option<ClaimRequest>,
}

impl ExchangeCopy {
    pub(super) fn new(exchange: &Exchange) -> Self {
        let fields = exchange.batch.field_updates.iter();
        ExchangeCopy {
            field_updates: fields.map(|(field, value)| (field.clone(), value.clone())).collect(),
            completions: exchange.batch.completions.iter().map(copy_completion).collect(),
            claim: exchange.claim.as_ref().map(copy_claim),
        }
    }
}

pub(super) fn copy_completion(completion: &Completion) -> Completion {
    Completion {
        id: completion.id.clone(),
        queue: completion.queue,
        handler: completion.handler.clone(),
        verdict: completion.verdict.clone(),
        took: completion.took,
        execution: completion.execution.clone(),
        worker: completion.worker.clone(),
        expired_score_margin: completion.expired_score_margin,
        destination: completion.destination,
        status: completion.status,
        result_ttl: completion.result_ttl,
        result_entry: completion.result_entry.clone(),
        fields: completion.fields.clone(),
    }
}

fn copy_claim(claim: &ClaimRequest) -> ClaimRequest {
    let copy_id = |popped: &PoppedId| PoppedId { queue: popped.queue, id: popped.id.clone() };
    ClaimRequest {
        slots: claim.slots,
        executions: claim.executions.clone(),
        claimed_at: claim.claimed_at,
        checks_keys: claim.checks_keys,
        excluded_queues: claim.excluded_queues.clone(),
        popped_ids: claim.popped_ids.iter().map(copy_id).collect(),
    }
}
