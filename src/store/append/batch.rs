//! Batches with the fingerprints of their drafts, and the tenants and topics that an append to them
//! must know.
//!
//! An adapter's `append` makes them before anything is locked, for `plan`, `head_cache` and the
//! adapter's statements. There is no I/O.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::domain::draft::Draft;
use crate::domain::tenant::TenantId;
use crate::domain::topic::Topic;
use crate::store::Batch;

/// The digest by which the contents of one event id are compared.
pub(in crate::store) type Fingerprint = [u8; 32];

/// A batch with its drafts' fingerprints, which are made before anything is locked.
pub(in crate::store) struct FingerprintedBatch<'a> {
    batch: Cow<'a, Batch>,
    fingerprints: Vec<Fingerprint>,
    /// Whether the gateway itself appends it, whether or not the tenant is enabled.
    is_own: bool,
}

impl<'a> FingerprintedBatch<'a> {
    /// Fingerprints a batch.
    pub(in crate::store) fn new(batch: &'a Batch) -> Self {
        let fingerprints = batch.drafts.iter().map(Draft::fingerprint).collect();
        Self { batch: Cow::Borrowed(batch), fingerprints, is_own: false }
    }

    /// Fingerprints a batch of the gateway's own, which is appended to disabled tenants too.
    pub(in crate::store) fn own(batch: &'a Batch) -> Self {
        Self { is_own: true, ..Self::new(batch) }
    }

    /// Returns whether it is one of the gateway's own.
    pub(super) fn is_own(&self) -> bool {
        self.is_own
    }

    /// Returns it with a batch of its own, so that another thread may have it.
    pub(in crate::store) fn into_owned(self) -> FingerprintedBatch<'static> {
        FingerprintedBatch {
            batch: Cow::Owned(self.batch.into_owned()),
            fingerprints: self.fingerprints,
            is_own: self.is_own,
        }
    }

    /// Returns the batch.
    pub(in crate::store) fn batch(&self) -> &Batch {
        &self.batch
    }

    /// The drafts, each with its fingerprint.
    pub(super) fn drafts(&self) -> impl Iterator<Item = (&Draft, &Fingerprint)> {
        self.batch.drafts.iter().zip(&self.fingerprints)
    }
}

/// The tenants of the batches, each once.
pub(in crate::store) fn tenants<'a>(batches: &'a [FingerprintedBatch]) -> BTreeSet<&'a TenantId> {
    batches.iter().map(|batch| &batch.batch.tenant).collect()
}

/// The tenants of the batches, and the topics of each.
pub(in crate::store) fn topics<'a>(
    batches: &'a [FingerprintedBatch],
) -> BTreeMap<&'a TenantId, BTreeSet<&'a Topic>> {
    let mut topics = BTreeMap::<_, BTreeSet<_>>::new();
    for batch in batches.iter().map(FingerprintedBatch::batch) {
        let of_tenant = topics.entry(&batch.tenant).or_default();
        of_tenant.extend(batch.drafts.iter().map(|draft| &draft.topic));
    }
    topics
}
