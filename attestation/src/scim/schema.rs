//! What this side can do and what it keeps, said in the words of RFC 7643, sections 5 to 7.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
    response::Response,
};
use serde_json::{Value, json};

use super::{
    answer::{NOT_FOUND, ScimError, document},
    path::Kind,
    search::MOST,
};
use crate::{Plane, config::JoinBy};

pub(super) async fn config(State(plane): State<Arc<Plane>>) -> Response {
    let no = json!({ "supported": false });
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": { "supported": true },
        "bulk": { "supported": false, "maxOperations": 0, "maxPayloadSize": 0 },
        "filter": { "supported": true, "maxResults": MOST },
        "changePassword": no,
        "sort": no,
        "etag": { "supported": true },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "Bearer",
            "description": "A bearer that an administrator of Bauta made.",
        }],
        "meta": {
            "resourceType": "ServiceProviderConfig",
            "location": format!("{}/scim/v2/ServiceProviderConfig", plane.origin()),
        },
    });
    document(StatusCode::OK, &body)
}

pub(super) async fn types(State(plane): State<Arc<Plane>>) -> Response {
    list(&plane.resource_types())
}

pub(super) async fn one_type(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
) -> Result<Response, ScimError> {
    one(plane.resource_types(), &id)
}

pub(super) async fn schemas(State(plane): State<Arc<Plane>>) -> Response {
    list(&plane.directory_schemas())
}

pub(super) async fn one_schema(
    State(plane): State<Arc<Plane>>,
    Path(id): Path<String>,
) -> Result<Response, ScimError> {
    one(plane.directory_schemas(), &id)
}

fn list(all: &[Value]) -> Response {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": all.len(), "startIndex": 1, "itemsPerPage": all.len(),
        "Resources": all,
    });
    document(StatusCode::OK, &body)
}

fn one(all: Vec<Value>, id: &str) -> Result<Response, ScimError> {
    let is = |it: &Value| it.get("id").and_then(Value::as_str) == Some(id);
    let found = all.into_iter().find(is).ok_or(NOT_FOUND)?;
    Ok(document(StatusCode::OK, &found))
}

impl Plane {
    fn resource_types(&self) -> Vec<Value> {
        let kind = |kind: Kind, name: &str, endpoint: &str| {
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
                "id": name, "name": name, "endpoint": endpoint, "schema": kind.schema(),
                "meta": {
                    "resourceType": "ResourceType",
                    "location": format!("{}/scim/v2/ResourceTypes/{name}", self.origin()),
                },
            })
        };
        vec![
            kind(Kind::User, "User", "/Users"),
            kind(Kind::Group, "Group", "/Groups"),
        ]
    }

    fn directory_schemas(&self) -> Vec<Value> {
        let schema = |kind: Kind, name: &str, attributes: Value| {
            json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
                "id": kind.schema(), "name": name, "attributes": attributes,
                "meta": {
                    "resourceType": "Schema",
                    "location": format!("{}/scim/v2/Schemas/{}", self.origin(), kind.schema()),
                },
            })
        };
        let by = JoinBy::parse(&self.settings.sso.scim_subject);
        let joins = by == Some(JoinBy::ExternalId);
        let user = json!([
            self.hashed("userName", true, "server"),
            self.hashed("externalId", joins, if joins { "server" } else { "none" }),
            {
                "name": "active", "type": "boolean", "multiValued": false, "required": true,
                "mutability": "readWrite", "returned": "default",
            },
            edges("groups", "readOnly", "Group"),
        ]);
        let group = json!([
            self.hashed("displayName", true, "server"),
            self.hashed("externalId", false, "none"),
            edges("members", "readWrite", "User"),
        ]);
        vec![
            schema(Kind::User, "User", user),
            schema(Kind::Group, "Group", group),
        ]
    }

    /// An attribute of which a keyed hash is kept: it can be written and searched for, and never
    /// read (RFC 7643, section 7, `writeOnly` and `never`). With `accept_email` it comes back.
    fn hashed(&self, name: &str, required: bool, uniqueness: &str) -> Value {
        let (mutability, returned) = if self.settings.scim.accept_email {
            ("readWrite", "default")
        } else {
            ("writeOnly", "never")
        };
        json!({
            "name": name, "type": "string", "multiValued": false, "required": required,
            "caseExact": name != "userName", "mutability": mutability, "returned": returned,
            "uniqueness": uniqueness,
        })
    }
}

fn edges(name: &str, mutability: &str, to: &str) -> Value {
    // An entry is replaced whole.
    let part = if mutability == "readOnly" {
        "readOnly"
    } else {
        "immutable"
    };
    let mut parts = vec![
        json!({
            "name": "value", "type": "string", "multiValued": false, "required": false,
            "caseExact": true, "mutability": part, "returned": "default", "uniqueness": "none",
        }),
        json!({
            "name": "$ref", "type": "reference", "referenceTypes": [to], "multiValued": false,
            "required": false, "caseExact": true, "mutability": part, "returned": "default",
            "uniqueness": "none",
        }),
    ];
    if to == "User" {
        parts.push(json!({
            "name": "type", "type": "string", "multiValued": false, "required": false,
            "caseExact": false, "canonicalValues": ["User"], "mutability": part,
            "returned": "default", "uniqueness": "none",
        }));
    }
    json!({
        "name": name, "type": "complex", "multiValued": true, "required": false,
        "mutability": mutability, "returned": "default", "subAttributes": parts,
    })
}
