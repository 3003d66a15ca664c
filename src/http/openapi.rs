//! `GET /openapi.json`: the document of the API. It is the same for every tenant, and has no
//! settings in it.

use actix_web::HttpResponse;
use serde_json::json;

use super::allowed::AllowedForAny;
use super::gateway::Shared;
use super::operation::{Described, Operation};
use crate::access::permission::GetOpenApi;

pub(super) async fn get(_: AllowedForAny<GetOpenApi>, gateway: Shared) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(gateway.document.json.clone())
}

impl Described for GetOpenApi {
    fn describe() -> Operation {
        let document = json!({ "type": "object" });
        Operation::new("This document: OpenAPI 3.1. It names no tenant and no setting.").answer_of(
            200,
            "The document.",
            &[("application/json", document)],
        )
    }
}
