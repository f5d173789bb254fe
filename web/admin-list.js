// A long table of which only the rows in sight exist. Rows are of one height and keep their element as long as their
// item is in sight, so that focus and selection stay where they are.

import { el } from "./ui.js";

// Rows beyond the edge, so that a fast scroll shows no gap.
const BEYOND = 6;

export class LongTable {
  #table;
  #body;
  #head;
  #columns;
  #create;
  #keyOf;
  #onsort;
  #items = [];
  #rows = new Map();
  #spare = [];
  #frame = 0;
  #height = 0;
  #rowHeight = 0;
  #active = null;

  /**
   * @param {HTMLElement} scroller an element that scrolls
   * @param {object} options
   * @param {string} options.label the table's name for assistive technology
   * @param {{id: string, title: string, number?: boolean, sorts?: boolean}[]} options.columns
   * @param {() => {element: HTMLElement, update: (item: object) => void, focus: () => void}} options.create an empty row
   * @param {(item: object) => string} options.keyOf
   * @param {(id: string) => void} options.onsort a column's title was clicked
   */
  constructor(scroller, { label, columns, create, keyOf, onsort }) {
    this.scroller = scroller;
    this.#columns = columns;
    this.#create = create;
    this.#keyOf = keyOf;
    this.#onsort = onsort;
    this.#head = el("div", { role: "row", class: "line head", "aria-rowindex": "1" }, ...columns.map((column) => this.#title(column)));
    this.#body = el("div", { role: "rowgroup", class: "body" });
    this.#table = el("div", { role: "table", "aria-label": label, class: "table" }, el("div", { role: "rowgroup", class: "titles" }, this.#head), this.#body);
    scroller.append(this.#table);
    scroller.addEventListener("scroll", () => this.#later(), { passive: true });
    this.#body.addEventListener("keydown", (event) => this.#key(event));
    this.#body.addEventListener("focusin", (event) => (this.#active = event.target.closest("[role=row]")?.dataset.key ?? null));
    this.#body.addEventListener("focusout", (event) => !this.#body.contains(event.relatedTarget) && (this.#active = null));
    new ResizeObserver(() => this.#measure()).observe(scroller);
  }

  /** Shows these items in this order. */
  show(items) {
    const shorter = items.length !== this.#items.length;
    this.#items = items;
    if (shorter) {
      this.#table.setAttribute("aria-rowcount", String(items.length + 1));
      this.#setHeight();
    }
    this.#later();
  }

  /** Draws what is in sight again: items have changed in place. */
  refresh() {
    this.#later();
  }

  /** Marks the column that the items are sorted by. */
  sorted(id, descending) {
    this.#columns.forEach((column, i) => {
      const title = this.#head.children[i];
      if (column.id === id) title.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else title.removeAttribute("aria-sort");
    });
  }

  /** Moves the focus to an item, wherever it is. */
  focus(key) {
    const index = this.#items.findIndex((item) => this.#keyOf(item) === key);
    if (index >= 0) this.#go(index);
  }

  #title({ id, title, number, sorts = true }) {
    const inner = sorts ? el("button", { type: "button", class: "title" }, title) : el("span", { class: "title" }, title);
    if (sorts) inner.addEventListener("click", () => this.#onsort(id));
    return el("div", { role: "columnheader", class: `cell ${id}${number ? " number" : ""}` }, inner);
  }

  #measure() {
    this.#height = this.scroller.clientHeight;
    // By width: on a narrow screen a row has two lines.
    this.#rowHeight = parseFloat(getComputedStyle(this.scroller).getPropertyValue("--row-height")) || 48;
    this.#setHeight();
    this.#later();
  }

  #setHeight() {
    if (!this.#rowHeight) return;
    const height = this.#items.length * this.#rowHeight;
    this.#body.style.height = `${height}px`;
    this.scroller.style.setProperty("--needed", `${height}px`);
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  // Reads first, then writes: nothing here makes the browser lay out twice.
  #draw() {
    if (!this.#height || !this.#rowHeight) return;
    const top = this.scroller.scrollTop;
    const first = Math.max(0, Math.floor(top / this.#rowHeight) - BEYOND);
    const last = Math.min(this.#items.length, Math.ceil((top + this.#height) / this.#rowHeight) + BEYOND);
    const wanted = new Map();
    for (let i = first; i < last; i += 1) wanted.set(this.#keyOf(this.#items[i]), i);
    // The row with the focus stays, or the focus would be lost by scrolling.
    if (this.#active !== null && !wanted.has(this.#active)) {
      const index = this.#items.findIndex((item) => this.#keyOf(item) === this.#active);
      if (index >= 0) wanted.set(this.#active, index);
    }
    for (const [key, row] of this.#rows) {
      if (wanted.has(key)) continue;
      this.#rows.delete(key);
      row.element.hidden = true;
      this.#spare.push(row);
    }
    for (const [key, index] of wanted) this.#place(key, index);
    // More than a screen of them is of no use any more.
    while (this.#spare.length > 2 * BEYOND) this.#spare.pop().element.remove();
  }

  #place(key, index) {
    let row = this.#rows.get(key);
    if (!row) {
      row = this.#spare.pop() ?? this.#newRow();
      row.element.hidden = false;
      row.element.dataset.key = key;
      this.#rows.set(key, row);
    }
    if (row.index !== index) {
      row.index = index;
      row.element.style.transform = `translateY(${index * this.#rowHeight}px)`;
      row.element.setAttribute("aria-rowindex", String(index + 2));
      row.placed = this.#rowHeight;
    } else if (row.placed !== this.#rowHeight) {
      row.placed = this.#rowHeight;
      row.element.style.transform = `translateY(${index * this.#rowHeight}px)`;
    }
    row.update(this.#items[index]);
  }

  #newRow() {
    const row = this.#create();
    this.#body.append(row.element);
    return row;
  }

  #key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || this.#active === null) return;
    const at = this.#items.findIndex((item) => this.#keyOf(item) === this.#active);
    const page = Math.max(1, Math.floor(this.#height / this.#rowHeight) - 2);
    const last = this.#items.length - 1;
    const targets = { ArrowUp: at - 1, ArrowDown: at + 1, PageUp: at - page, PageDown: at + page, Home: 0, End: last };
    if (!(event.key in targets) || at < 0) return;
    event.preventDefault();
    this.#go(Math.min(last, Math.max(0, targets[event.key])));
  }

  #go(index) {
    const visible = this.#height - this.#head.offsetHeight;
    const top = index * this.#rowHeight;
    const { scrollTop } = this.scroller;
    if (top < scrollTop) this.scroller.scrollTop = top;
    else if (top + this.#rowHeight > scrollTop + visible) this.scroller.scrollTop = top + this.#rowHeight - visible;
    this.#active = this.#keyOf(this.#items[index]);
    this.#draw();
    this.#rows.get(this.#active)?.focus();
  }
}

/** The cells of a row by their columns; `set(id, text)` writes where something changed. */
export function line(columns, contents = {}) {
  const cells = {};
  const element = el("div", { role: "row", class: "line" });
  for (const { id, number } of columns) {
    const inside = contents[id];
    const cell = el("div", { role: "cell", class: `cell ${id}${number ? " number" : ""}` }, ...(inside ? [].concat(inside) : []));
    cells[id] = cell;
    element.append(cell);
  }
  // Reading the document to see what it says takes longer than remembering it.
  const said = {};
  const set = (id, text) => {
    if (said[id] === text) return;
    said[id] = text;
    const [node] = cells[id].childNodes;
    if (node) node.data = text;
    else cells[id].textContent = text;
  };
  return { element, cells, set };
}

/** What a table is sorted by: its column titles, and a list for screens that have no room for these. */
export class Order {
  #select;
  #columns;
  #changed;

  constructor(select, columns, { by, descending = false }, changed) {
    this.by = by;
    this.descending = descending;
    this.#select = select;
    this.#columns = columns.filter(({ sorts = true }) => sorts);
    this.#changed = changed;
    select.append(...this.#columns.map(({ id, title }) => new Option(`By ${title.toLowerCase()}`, id)));
    select.value = by;
    select.addEventListener("change", () => this.#take(select.value, this.#fallsFirst(select.value)));
  }

  /** A title was clicked: large figures first, names from A; the second click turns it round. */
  click(id) {
    this.#take(id, id === this.by ? !this.descending : this.#fallsFirst(id));
    this.#select.value = id;
  }

  /**
   * Sorts items by `value`, which is asked once for each, and those that are equal by `name`, as `compare` has it.
   * Unknown values come last.
   */
  sort(items, value, name, compare = (a, b) => (a < b ? -1 : 1)) {
    const sign = this.descending ? -1 : 1;
    const keyed = items.map((item) => ({ item, value: value(item, this.by) ?? null, name: name(item) }));
    keyed.sort((a, b) => {
      if (a.value !== b.value) {
        if (a.value === null) return 1;
        if (b.value === null) return -1;
        return a.value < b.value ? -sign : sign;
      }
      return (this.by === "name" ? sign : 1) * compare(a.name, b.name);
    });
    return keyed.map(({ item }) => item);
  }

  #fallsFirst(id) {
    return Boolean(this.#columns.find((column) => column.id === id)?.number);
  }

  #take(by, descending) {
    this.by = by;
    this.descending = descending;
    this.#changed();
  }
}
