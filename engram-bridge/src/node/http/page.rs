//! The status page: one document, assembled from small files.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};

/// The text of the page and its content security policy.
pub(super) struct Page {
    pub(super) html: String,
    /// The content security policy. It permits only the page's own style and script, images in
    /// `data:` URLs, and requests to this node.
    pub(super) policy: String,
}

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = concat!(
    "'use strict';\n",
    include_str!("page/dom.js"),
    include_str!("page/peers.js"),
    include_str!("page/map.js"),
    include_str!("page/patterns.js"),
    include_str!("page/node.js"),
    include_str!("page/live.js"),
);

/// The page, assembled once.
pub(super) fn page() -> &'static Page {
    static PAGE: LazyLock<Page> = LazyLock::new(|| Page {
        html: HTML.replace("/*style*/", STYLE).replace("/*script*/", SCRIPT),
        policy: format!(
            "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; \
             img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
            source(STYLE),
            source(SCRIPT),
        ),
    });
    &PAGE
}

/// Returns the source expression of the content security policy that permits exactly this text.
fn source(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_whole_and_needs_nothing_else() {
        let html = &page().html;
        assert!(html.contains(STYLE) && html.contains(SCRIPT));
        assert!(!html.contains("/*style*/") && !html.contains("/*script*/"));
        for foreign in ["http://", "https://", "src=", "@import", "url("] {
            assert!(!html.contains(foreign), "the page has {foreign}");
        }
    }

    /// Ids and names come from other parties: the page may use them only as text.
    #[test]
    fn data_never_becomes_markup() {
        for way in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
            assert!(!SCRIPT.contains(way), "the script has {way}");
        }
        for attribute in [" onclick=", " onload=", " style="] {
            assert!(!HTML.contains(attribute), "the page has {attribute}");
        }
    }
}
