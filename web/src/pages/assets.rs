//! Style, scripts and the icon: in the binary, under names that change with their
//! content, so that a browser asks for each once. They are compressed at the first request.

use std::sync::LazyLock;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bitcoin::hashes::{Hash as _, sha256};

use crate::gzip::{self, Form};

/// A file that pages refer to.
struct Asset {
    name: &'static str,
    mime: &'static str,
    content: &'static str,
    /// The beginning of its SHA256.
    version: String,
    /// The content compressed, where that is shorter.
    packed: Option<Bytes>,
}

impl Asset {
    fn new(name: &'static str, mime: &'static str, content: &'static str) -> Self {
        let mut version = sha256::Hash::hash(content.as_bytes()).to_string();
        version.truncate(12);
        Asset {
            name,
            mime,
            content,
            version,
            packed: gzip::packed_once(content.as_bytes()),
        }
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    vec![
        Asset::new(
            "style.css",
            "text/css; charset=utf-8",
            include_str!("../../assets/style.css"),
        ),
        Asset::new(
            "icon.svg",
            "image/svg+xml",
            include_str!("../../assets/icon.svg"),
        ),
        Asset::new(
            "operator.js",
            SCRIPT,
            include_str!("../../assets/operator.js"),
        ),
        Asset::new("site.js", SCRIPT, include_str!("../../assets/site.js")),
        Asset::new("set-up.js", SCRIPT, include_str!("../../assets/set-up.js")),
        Asset::new("miner.js", SCRIPT, include_str!("../../assets/miner.js")),
        Asset::new("token.js", SCRIPT, include_str!("../../assets/token.js")),
    ]
});

fn find(name: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.name == name)
}

/// Where a page finds the file `name`: `/assets/style.css?v=0123456789ab`.
pub(super) fn link(name: &str) -> String {
    let version = find(name).map_or("", |asset| asset.version.as_str());
    format!("/assets/{name}?v={version}")
}

/// `GET /assets/{name}`.
pub(crate) async fn get(
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(asset) = find(&name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let asked = query.as_deref().and_then(|query| query.strip_prefix("v="));
    // An old page may ask for an old version: it gets this one, and keeps it for nobody.
    let keep = if asked == Some(asset.version.as_str()) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut response = embedded(&headers, &asset.version, asset.content, &asset.packed);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(asset.mime));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    response
}

/// An embedded file in the form that `asked` wants, under the entity tag `version`.
pub(crate) fn embedded(
    asked: &HeaderMap,
    version: &str,
    content: &'static str,
    packed: &Option<Bytes>,
) -> Response {
    let tag = format!("\"{version}\"");
    let (mut response, tag) = match (Form::of(asked, &tag), packed) {
        (Form::Known(tag), _) => (StatusCode::NOT_MODIFIED.into_response(), tag),
        (Form::Packed, Some(packed)) => {
            let mut response = packed.clone().into_response();
            gzip::is_packed(response.headers_mut());
            (response, gzip::packed_tag(&tag))
        }
        (Form::Packed | Form::Plain, _) => (content.into_response(), tag),
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(header::ETAG, tag);
    }
    gzip::varies(headers);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_link_leads_to_the_file_and_may_be_kept() {
        for asset in ASSETS.iter() {
            let link = link(asset.name);
            let (_, query) = link.split_once('?').expect("a version");
            assert_eq!(query.len(), 14, "{link}");
            let kept = get(
                Path(asset.name.to_owned()),
                RawQuery(Some(query.to_owned())),
                HeaderMap::new(),
            )
            .await;
            assert_eq!(kept.status(), StatusCode::OK);
            assert_eq!(kept.headers()[header::CONTENT_TYPE], asset.mime);
            let forever = kept.headers()[header::CACHE_CONTROL]
                .to_str()
                .expect("ascii");
            assert!(forever.ends_with("immutable"), "{forever}");
            let old = get(
                Path(asset.name.to_owned()),
                RawQuery(Some("v=old".to_owned())),
                HeaderMap::new(),
            )
            .await;
            assert_eq!(old.headers()[header::CACHE_CONTROL], "no-cache");
        }
        let none = get(
            Path("../Cargo.toml".to_owned()),
            RawQuery(None),
            HeaderMap::new(),
        )
        .await;
        assert_eq!(none.status(), StatusCode::NOT_FOUND);
    }
}
