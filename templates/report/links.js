// The only links that lead outside: a resource in Azure's portal, and the references of rules. They open in a new tab.
const outside = (href, ...content) => h("a", { href, target: "_blank", rel: "noopener noreferrer" }, content, h("span", { class: "vh" }, " ", t("card.new_tab")));

/** What ARM allows in the segments of an id: letters, digits, and a few signs. */
const SEGMENT = /^[\p{L}\p{N}_.()][\p{L}\p{N} _.()-]*$/u;
const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const encodedSegment = (segment) => encodeURIComponent(segment).replace(/[!'()*]/g, (char) => "%" + char.charCodeAt(0).toString(16).toUpperCase());

/** The address of a resource in the portal of its cloud, "" for an unknown cloud or an id with other characters. */
function portalAddress(host, tenant, id) {
  const [start, ...segments] = id.split("/");
  const isId = start === "" && segments.length > 1 && /^subscriptions$/i.test(segments[0]) && GUID.test(segments[1]);
  if (!host || !isId || HIDDEN.test(id) || !segments.every((each) => SEGMENT.test(each) && !/^\.+$|[ .]$/.test(each))) return "";
  return `${host}/#${GUID.test(tenant) ? "@" + tenant + "/" : ""}resource/${segments.map(encodedSegment).join("/")}`;
}

const topOf = (resource) => { let top = resource; while (parentOf(top) >= 0) top = parentOf(top); return top; };

/** The link to a resource's top-level resource, because the portal has no page for many children; null where there is none. */
function portalLink(resource) {
  const top = topOf(resource), href = portalAddress(data.portal, subOf(top)[2] || "", idOf(top));
  if (!href) return null;
  const link = outside(href, t("card.open_portal", null, { name: plain(nameOf(top)) }));
  link.classList.add("act");
  return link;
}

/** A reference of a rule as a link; as text where it is no plain https address. */
function reference(text) {
  return /^https:\/\/[a-z0-9][a-z0-9.-]*(\/[!-~]*)?$/i.test(text) && URL.canParse(text) ? outside(text, text) : mono(text);
}
