// A before/after slider and panes that zoom and move together. Nothing is fetched but the pictures that the page names.

const STEP = 1.25; // of a zoom by key, button or notch of the wheel
const LEAST_PANE = 230; // screen pixels
const REST = 250; // milliseconds without a movement after which more pixels are asked for
const LARGEST = 32; // screen pixels for a pixel of the result
const TRIES = 4; // more, for a picture that did not arrive
const AGAIN = 500; // milliseconds before the first of them
const viewers = new WeakMap();

export default function (component) {
  const { parentElement, data } = component;
  const root = parentElement.querySelector(".viewer");
  let viewer = viewers.get(root);
  if (!viewer) {
    viewer = new Viewer(root);
    viewers.set(root, viewer);
  }
  viewer.tell = component.setStateValue;
  viewer.show(data);
  return () => viewer.end();
}

class Viewer {
  constructor(root) {
    this.root = root;
    this.stage = root.querySelector(".stage");
    this.split = 0.5;
    this.vividness = 0;
    this.pixels = false;
    this.zoom = null; // null: the whole picture; else screen pixels for a pixel of the result
    this.centre = { x: 0.5, y: 0.5 }; // of the view, as a share of the picture
    this.fingers = new Map();
    this.seen = "";
    root.querySelectorAll("button").forEach((button) => button.addEventListener("click", () => this.press(button.dataset.do)));
    this.range = root.querySelector(".vividness input");
    this.range.addEventListener("input", () => this.blend(Number(this.range.value)));
    this.range.addEventListener("change", () => this.tell("vividness", { name: this.data.name, value: this.vividness }));
    this.watcher = new ResizeObserver(() => this.measure());
    this.watcher.observe(this.stage);
  }

  end() {
    clearTimeout(this.resting);
    this.watcher.disconnect();
    viewers.delete(this.root);
  }

  show(data) {
    const same = JSON.stringify({ ...data, box: null, panes: data.panes.map(({ part, vividpart, ...pane }) => pane) });
    this.data = data;
    this.detail = data.box;
    if (same === this.seen) { // the page was run again; at most the part that is looked at closely is another
      this.addParts();
      this.draw();
      return;
    }
    const other = this.name !== data.name;
    this.seen = same;
    this.name = data.name;
    this.root.setAttribute("aria-label", data.label);
    this.root.querySelector(".arrangement").hidden = !data.slider;
    if (other) {
      this.arrangement = data.slider ? data.arrangement : "panes";
      this.zoom = null;
      this.centre = { x: 0.5, y: 0.5 };
      this.asked = "";
      this.vividness = 0;
      this.range.value = 0;
    }
    this.root.querySelector(".vividness").hidden = !data.panes.some((pane) => pane.vivid);
    this.build();
  }

  build() {
    const sliding = this.arrangement === "slider";
    this.stage.replaceChildren();
    this.panes = sliding ? [this.pane(this.data.slider.map((index) => this.data.panes[index]))] : this.data.panes.map((each) => this.pane([each]));
    if (sliding) this.addDivider(this.panes[0]);
    this.root.querySelectorAll("[data-do=slider], [data-do=panes]").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.dataset.do === this.arrangement));
    });
    this.addParts();
    this.blend(this.vividness);
    this.measure();
  }

  // Over a picture of which the browser has a smaller copy lies the part that is looked at, in all its pixels.
  addParts() {
    for (const part of this.stage.querySelectorAll("img.part")) part.remove();
    for (const layer of this.stage.querySelectorAll(".layer")) {
      const told = this.data.panes[layer.dataset.pane];
      for (const [url, kind] of [[told.part, "part"], [told.vividpart, "part vivid"]]) {
        if (!url) continue;
        const part = image(url, "");
        part.className = kind;
        layer.querySelector(kind === "part" ? "img" : "img.vivid").after(part);
      }
    }
    this.blend(this.vividness);
  }

  // Ask for that part when the view has come to rest.
  ask() {
    clearTimeout(this.resting);
    const least = Math.min(...this.data.panes.map((pane) => pane.shown));
    if (least >= 1 || this.drawn.zoom * window.devicePixelRatio <= least) return;
    const { at, size } = this.drawn;
    const side = (axis, room) => [-at[axis] / size[axis], (room - at[axis]) / size[axis]].map((share) => clamp(share, 0, 1).toFixed(5));
    const [left, right] = side("x", this.frame.width);
    const [top, bottom] = side("y", this.frame.height);
    const box = [left, top, right, bottom].map(Number);
    if (String(box) === this.asked) return;
    this.resting = setTimeout(() => {
      this.asked = String(box);
      this.tell("view", { name: this.data.name, box });
    }, REST);
  }

  pane(pictures) {
    const pane = element("div", "pane");
    pane.tabIndex = 0;
    pane.setAttribute("role", "application");
    pane.setAttribute("aria-label", `${pictures.map((each) => each.label).join(" and ")}: arrow keys move, plus and minus zoom`);
    for (const [index, each] of pictures.entries()) {
      const layer = element("div", "layer");
      layer.dataset.pane = this.data.panes.indexOf(each);
      layer.append(image(each.url, each.alt));
      if (each.vivid) {
        const twin = image(each.vivid, "");
        twin.classList.add("vivid");
        layer.append(twin);
      }
      pane.append(layer);
      if (pictures.length > 1) layer.append(element("span", `tag ${index ? "right" : "left"}`, each.label));
    }
    pane.addEventListener("pointerdown", (event) => this.down(event, pane));
    pane.addEventListener("pointermove", (event) => this.move(event, pane));
    for (const kind of ["pointerup", "pointercancel"]) pane.addEventListener(kind, (event) => this.up(event, pane));
    pane.addEventListener("wheel", (event) => this.wheel(event, pane), { passive: false });
    pane.addEventListener("keydown", (event) => this.key(event, pane));
    pane.addEventListener("dblclick", (event) => this.zoomTo(this.zoom === null ? this.exact() : null, this.place(event, pane)));
    const figure = element("figure", "");
    if (pictures.length === 1) figure.append(element("figcaption", "", pictures[0].label));
    figure.append(pane);
    this.stage.append(figure);
    return pane;
  }

  addDivider(pane) {
    this.divider = element("div", "divider");
    this.divider.tabIndex = 0;
    const [before, after] = this.data.slider.map((index) => this.data.panes[index].label);
    const told = { role: "slider", "aria-label": `Divider between ${before} and ${after}`, "aria-valuemin": 0, "aria-valuemax": 100 };
    Object.entries(told).forEach(([name, value]) => this.divider.setAttribute(name, value));
    this.divider.addEventListener("pointerdown", (event) => {
      event.stopPropagation();
      this.divider.setPointerCapture(event.pointerId);
      this.divider.focus();
    });
    this.divider.addEventListener("pointermove", (event) => {
      if (!this.divider.hasPointerCapture(event.pointerId)) return;
      event.stopPropagation();
      this.splitAt(this.share(event, pane));
    });
    this.divider.addEventListener("keydown", (event) => {
      const step = event.shiftKey ? 0.1 : 0.02;
      const goal = { ArrowLeft: this.split - step, ArrowDown: this.split - step, ArrowRight: this.split + step, ArrowUp: this.split + step, PageDown: this.split - 0.1, PageUp: this.split + 0.1, Home: 0, End: 1 }[event.key];
      if (goal === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.splitAt(goal);
    });
    pane.append(this.divider);
    this.splitAt(this.split);
  }

  splitAt(share) {
    this.split = clamp(share, 0, 1);
    const percent = Math.round(this.split * 100);
    this.panes[0].querySelectorAll(".layer")[1].style.clipPath = `inset(0 0 0 ${this.split * 100}%)`;
    this.panes[0].querySelectorAll(".layer")[0].style.clipPath = `inset(0 ${100 - this.split * 100}% 0 0)`;
    this.divider.style.left = `${this.split * 100}%`;
    this.divider.setAttribute("aria-valuenow", percent);
    this.divider.setAttribute("aria-valuetext", `${percent} % of the width shows ${this.data.panes[this.data.slider[0]].label}`);
  }

  blend(vividness) {
    this.vividness = vividness;
    this.root.querySelectorAll("img.vivid").forEach((twin) => { twin.style.opacity = vividness; });
    this.root.querySelector(".vivid-value").textContent = vividness.toFixed(2);
  }

  // Sizes: the picture is as large as the result; every picture of a pane is stretched to it.
  measure() {
    const width = this.stage.clientWidth;
    if (!width || !this.data) return;
    const count = this.panes.length;
    const across = Math.max(1, Math.min(count === 4 ? 2 : count, 3, Math.floor(width / LEAST_PANE)));
    this.stage.style.gridTemplateColumns = `repeat(${across}, minmax(0, 1fr))`;
    const each = (width - 8 * (across - 1)) / across;
    const tall = document.fullscreenElement ? window.innerHeight - 130 : Math.max(260, window.innerHeight * (count > across ? 0.5 : 0.68));
    this.frame = { width: each, height: Math.round(Math.min(tall, Math.max(160, (each * this.data.height) / this.data.width))) };
    this.panes.forEach((pane) => { pane.style.height = `${this.frame.height}px`; });
    this.draw();
  }

  fitting() {
    return Math.min(this.frame.width / this.data.width, this.frame.height / this.data.height, 8);
  }

  exact() {
    return 1 / window.devicePixelRatio;
  }

  draw() {
    const { width, height } = this.data;
    const zoom = this.zoom ?? this.fitting();
    const size = { x: width * zoom, y: height * zoom };
    const room = { x: this.frame.width, y: this.frame.height };
    const at = {};
    for (const axis of ["x", "y"]) {
      const half = room[axis] / 2 / size[axis];
      this.centre[axis] = half >= 0.5 ? 0.5 : clamp(this.centre[axis], half, 1 - half);
      at[axis] = room[axis] / 2 - this.centre[axis] * size[axis];
    }
    const whole = [0, 0, 1, 1];
    for (const img of this.stage.querySelectorAll("img")) {
      const [left, top, right, bottom] = img.classList.contains("part") ? this.detail : whole;
      img.style.width = `${(right - left) * width}px`;
      img.style.height = `${(bottom - top) * height}px`;
      img.style.transform = `translate(${at.x + left * size.x}px, ${at.y + top * size.y}px) scale(${zoom})`;
    }
    const movable = size.x > room.x + 1 || size.y > room.y + 1;
    this.panes.forEach((pane) => {
      pane.classList.toggle("zoomed", movable);
      pane.classList.toggle("pixels", this.pixels);
    });
    this.movable = movable;
    this.drawn = { zoom, at, size };
    this.root.querySelector(".level").textContent = `${Math.round((zoom / this.exact()) * 100)} %`;
    this.ask();
  }

  press(what) {
    if (what === "slider" || what === "panes") {
      this.arrangement = what;
      this.build();
    } else if (what === "pixels") {
      this.pixels = !this.pixels;
      this.root.querySelector("[data-do=pixels]").setAttribute("aria-pressed", String(this.pixels));
      this.draw();
    } else if (what === "screen") {
      if (document.fullscreenElement) document.exitFullscreen();
      else this.root.requestFullscreen?.();
    } else {
      const zoom = { in: this.drawn.zoom * STEP, out: this.drawn.zoom / STEP, fit: null, full: this.exact() }[what];
      this.zoomTo(zoom);
    }
  }

  // Zoom so that a place of the picture stays where it is on the screen; by default the middle of the view.
  zoomTo(zoom, place = null) {
    const goal = zoom === null ? null : clamp(zoom, Math.min(this.fitting(), this.exact()), LARGEST * this.exact());
    if (goal !== null && place) {
      const middle = { x: this.frame.width / 2, y: this.frame.height / 2 };
      for (const axis of ["x", "y"]) {
        const share = (place[axis] - this.drawn.at[axis]) / this.drawn.size[axis];
        const side = axis === "x" ? this.data.width : this.data.height;
        this.centre[axis] = share - (place[axis] - middle[axis]) / (side * goal);
      }
    }
    this.zoom = goal;
    this.draw();
  }

  pan(x, y) {
    this.centre.x -= x / this.drawn.size.x;
    this.centre.y -= y / this.drawn.size.y;
    this.draw();
  }

  place(event, pane) {
    const box = pane.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  share(event, pane) {
    return this.place(event, pane).x / pane.clientWidth;
  }

  down(event, pane) {
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    pane.setPointerCapture(event.pointerId);
    pane.classList.add("dragging");
  }

  move(event, pane) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const now = { x: event.clientX, y: event.clientY };
    if (this.fingers.size === 2) {
      const other = [...this.fingers].find(([id]) => id !== event.pointerId)[1];
      const [was, is] = [before, now].map((finger) => Math.hypot(finger.x - other.x, finger.y - other.y));
      if (was > 0) this.zoomTo(this.drawn.zoom * (is / was), this.place({ clientX: (now.x + other.x) / 2, clientY: (now.y + other.y) / 2 }, pane));
    } else if (this.movable) {
      this.pan(now.x - before.x, now.y - before.y);
    } else if (this.arrangement === "slider") {
      this.splitAt(this.share(event, pane));
    }
    this.fingers.set(event.pointerId, now);
  }

  up(event, pane) {
    this.fingers.delete(event.pointerId);
    pane.classList.remove("dragging");
  }

  // The wheel scrolls the page until the picture was clicked; a pinch on a touchpad arrives as a wheel with Ctrl.
  wheel(event, pane) {
    if (!event.ctrlKey && pane.getRootNode().activeElement !== pane) return;
    event.preventDefault();
    this.zoomTo(this.drawn.zoom * STEP ** clamp(-event.deltaY / (event.ctrlKey ? 10 : 100), -2, 2), this.place(event, pane));
  }

  key(event) {
    const far = event.shiftKey ? 200 : 50;
    const moves = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] };
    if (event.key in moves && this.movable) this.pan(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.press("in");
    else if (event.key === "-") this.press("out");
    else if (event.key === "0") this.press("fit");
    else if (event.key === "1") this.press("full");
    else return;
    event.preventDefault();
  }
}

function element(kind, name, text = "") {
  const made = document.createElement(kind);
  made.className = name;
  made.textContent = text;
  return made;
}

function image(url, alt) {
  const made = document.createElement("img");
  const source = new URL(url.replace(/^\//, ""), document.baseURI); // pages lie beside each other, also below a base path
  let tries = 0;
  made.addEventListener("error", () => { // the page may be running anew, or the network away for a moment
    if (tries++ < TRIES) setTimeout(() => { made.src = `${source}#${tries}`; }, AGAIN * tries);
  });
  made.src = source;
  made.alt = alt;
  made.draggable = false;
  return made;
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}
