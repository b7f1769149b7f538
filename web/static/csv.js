// CSV (RFC 4180) and plain text -> reviews; results -> CSV.

const TEXT_COLUMNS = ["review", "text"];

// "a,\"b\n\"\"c\"\"\"\n" -> [["a", "b\n\"c\""]]; throws where a quote stays open
export function parse(text, separator = ",") {
  const rows = [];
  let row = [], cell = "", quoted = false;
  const endCell = () => { row.push(cell); cell = ""; };
  const endRow = () => { endCell(); if (row.length > 1 || row[0] !== "") rows.push(row); row = []; };
  for (let place = 0; place < text.length; place++) {
    const character = text[place];
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[place + 1] === '"') { cell += '"'; place++; }
      else quoted = false;
    } else if (character === '"' && cell === "") quoted = true;
    else if (character === separator) endCell();
    else if (character === "\n") endRow();
    else if (character === "\r" && text[place + 1] === "\n") continue;
    else cell += character;
  }
  if (quoted) throw new Error(`A quote stays open in row ${rows.length + 1}: is the file complete?`);
  if (cell !== "" || row.length) endRow();
  return rows;
}

// {reviews, column}: column is null where each line is a review; name is the file's, if it came from one
export function reviewsOf(text, name = "") {
  text = text.replace(/^\uFEFF/, "");
  for (const separator of [",", "\t", ";"]) {
    const names = headerOf(text, separator);
    const column = names.findIndex((name) => TEXT_COLUMNS.includes(name));
    if (column < 0) continue;
    const [, ...rows] = parse(text, separator);
    rows.forEach(({ length }, row) => {
      if (length === names.length) return;
      throw new Error(`Row ${row + 2} has ${length} cells, the header ${names.length}: put a text that holds “${separator}” in quotes.`);
    });
    return { reviews: rows.map((row) => row[column]).filter((review) => review.trim()), column: names[column] };
  }
  if (/\.(csv|tsv)$/i.test(name)) throw new Error(`${name} has no column named review or text: its first row names the columns.`);
  return { reviews: text.split(/\r?\n/).filter((line) => line.trim()), column: null };
}

// The names of the columns, if the text has a first row at all.
function headerOf(text, separator) {
  try {
    const end = text.search(/\r?\n/);
    return (parse(end < 0 ? text : text.slice(0, end), separator)[0] ?? []).map((name) => name.trim().toLowerCase());
  } catch { // a quote that this line does not close: no header
    return [];
  }
}

// rows of cells -> CSV. A cell that a spreadsheet would take for a formula gets an apostrophe.
export function format(rows) {
  const cell = (value) => {
    const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}
