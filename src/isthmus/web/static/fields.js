// The text of a value in a table's column, and the input field to change it. A value is a number: the index of a
// category, the seconds of a time, and null for a gap. A column is {kind, levels, decimals, format, zone, offset}; it is
// undefined if all columns are numbers, which may have `decimals` digits after the point.

const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];
const OTHER = "(other)"; // a category that was not in the training data
const PART = /%\.?\d?[A-Za-z]/g;
const two = (number) => String(number).padStart(2, "0");

export function writtenAs(value, field, decimals = null) {
  if (value === null) return "";
  if (!field) return decimals === null ? Number(value.toPrecision(4)) : value.toFixed(decimals);
  if (field.levels.length) return field.levels[value] ?? OTHER;
  if (field.kind === "time") return stamp(value, field);
  return field.decimals === null ? Number(value.toPrecision(6)) : value.toFixed(field.decimals);
}

function stamp(seconds, { format, zone, offset }) {
  const micro = Math.round((seconds + offset) * 1e6), at = new Date(Math.floor(micro / 1000)), fraction = String(((micro % 1e6) + 1e6) % 1e6).padStart(6, "0");
  const part = {
    "%Y": () => String(at.getUTCFullYear()).padStart(4, "0"), "%y": () => two(at.getUTCFullYear() % 100), "%m": () => two(at.getUTCMonth() + 1),
    "%d": () => two(at.getUTCDate()), "%b": () => MONTHS[at.getUTCMonth()].slice(0, 3), "%B": () => MONTHS[at.getUTCMonth()],
    "%H": () => two(at.getUTCHours()), "%I": () => two(at.getUTCHours() % 12 || 12), "%p": () => (at.getUTCHours() < 12 ? "AM" : "PM"),
    "%M": () => two(at.getUTCMinutes()), "%S": () => two(at.getUTCSeconds()),
    "%.3f": () => `.${fraction.slice(0, 3)}`, "%.6f": () => `.${fraction}`, "%.f": () => `.${fraction}`.replace(/\.?0+$/, ""),
  };
  return format.replace(PART, (code) => (part[code] ? part[code]() : "")) + zone;
}

// The seconds of a time in the column's format; NaN for any other text, and for dates such as April 31.
function moment(text, field) {
  const codes = [...field.format.matchAll(PART)].map(([code]) => code);
  const pattern = field.format.split(PART).map((plain) => plain.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const groups = codes.map((code) => (/^%[bBp]$/.test(code) ? "([A-Za-z]+)" : code.startsWith("%.") ? "(\\.\\d+)?" : "(\\d+)"));
  const zone = field.zone.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  const found = new RegExp(`^${pattern.map((plain, i) => plain + (groups[i] || "")).join("")}(?:${zone})?$`).exec(text.trim());
  if (!found) return NaN;
  const of = Object.fromEntries(codes.map((code, i) => [code, found[i + 1]]));
  const month = of["%m"] ? Number(of["%m"]) - 1 : MONTHS.findIndex((name) => name.slice(0, 3).toLowerCase() === (of["%b"] || of["%B"] || "Jan").slice(0, 3).toLowerCase());
  const year = of["%Y"] ? Number(of["%Y"]) : of["%y"] ? Number(of["%y"]) + (Number(of["%y"]) < 69 ? 2000 : 1900) : 1970;
  const hour = of["%I"] ? (Number(of["%I"]) % 12) + (/^p/i.test(of["%p"] || "") ? 12 : 0) : Number(of["%H"] || 0);
  const day = Number(of["%d"] || 1), at = new Date(Date.UTC(2000, month, day, hour, Number(of["%M"] || 0), Number(of["%S"] || 0)));
  at.setUTCFullYear(year, month, day);
  const there = at.getUTCMonth() === month && at.getUTCDate() === day && at.getUTCHours() === hour;
  return there ? at.getTime() / 1000 - field.offset + Number(of["%.3f"] || of["%.6f"] || of["%.f"] || 0) : NaN;
}

// The input field of a column, named `label`; `changed` is called on every change.
export function fieldOf(make, field, label, changed) {
  const named = { "aria-label": label, oninput: changed };
  if (!field) return make("input", { type: "number", step: "any", ...named });
  if (field.levels.length) {
    const names = ["missing", ...field.levels], select = make("select", named);
    select.append(...names.map((name, k) => make("option", { value: k ? k - 1 : "", textContent: name })));
    return select;
  }
  if (field.kind === "time") return make("input", { type: "text", placeholder: "missing", title: `format: ${stamp(0, field)}`, ...named });
  const step = field.decimals === null ? "any" : 10 ** -field.decimals, least = field.kind === "count" ? { min: 0 } : {};
  return make("input", { type: "number", step, placeholder: "missing", ...least, ...named });
}

export function setField(node, value, field) {
  if (node.localName === "select" && value === field.levels.length && ![...node.options].some((o) => o.value === String(value))) node.add(new Option(OTHER, value));
  node.value = node.localName === "select" ? value ?? "" : writtenAs(value, field);
  node.setCustomValidity("");
}

// The number in a field: null for a gap, NaN for an invalid or incomplete value.
export function valueIn(node, field) {
  if (!field) return node.valueAsNumber;
  if (node.value === "" && !node.validity.badInput) return null;
  if (node.localName === "select") return Number(node.value);
  const value = field.kind === "time" ? moment(node.value, field) : node.valueAsNumber;
  const wrong = !Number.isFinite(value) || (field.kind === "count" && (value < 0 || value % 1));
  node.setCustomValidity(wrong ? "This is not a valid value for the column." : "");
  return wrong ? NaN : value;
}
