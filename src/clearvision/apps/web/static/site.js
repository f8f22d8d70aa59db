"use strict";

const byId = (id) => document.getElementById(id);
for (const each of document.querySelectorAll(".js")) each.hidden = false;

if (byId("send")) sending();
if (byId("waiting")) waiting();
if (byId("compare")) comparing();

// The form: drop and paste, what was chosen, an upload that shows how far it is, problems without a new page.
function sending() {
  const [form, file, drop, preview, error, go, upload] = ["send", "file", "drop", "preview", "error", "go", "upload"].map(byId);

  function tell(text) {
    error.textContent = text;
    error.hidden = !text;
    if (text) error.scrollIntoView({ block: "nearest" });
  }

  function chosen() {
    tell("");
    URL.revokeObjectURL(preview.src);
    preview.hidden = true;
    if (!file.files.length) return;
    if (file.files[0].size > Number(form.dataset.maxBytes)) {
      tell(`This file has ${(file.files[0].size / 1e6).toFixed(0)} MB, more than this server takes.`);
    }
    preview.onload = () => { preview.hidden = false; };
    preview.src = URL.createObjectURL(file.files[0]);
  }

  function take(list) {
    if (!list.length) return;
    const one = new DataTransfer();
    one.items.add(list[0]);
    file.files = one.files;
    chosen();
  }

  function ended(request) {
    go.disabled = false;
    upload.hidden = true;
    if (request.status >= 200 && request.status < 300) {
      location.assign(request.responseURL);
      return;
    }
    try {
      tell(JSON.parse(request.responseText).detail);
    } catch {
      tell("The server did not answer as it should; try again.");
    }
  }

  file.addEventListener("change", chosen);
  document.addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  document.addEventListener("dragleave", () => drop.classList.remove("over"));
  document.addEventListener("drop", (event) => { event.preventDefault(); drop.classList.remove("over"); take(event.dataTransfer.files); });
  document.addEventListener("paste", (event) => take(event.clipboardData.files));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    tell("");
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/problem+json, text/html;q=0.5");
    request.upload.addEventListener("progress", (now) => { if (now.lengthComputable) upload.value = now.loaded / now.total; });
    request.addEventListener("load", () => ended(request));
    request.addEventListener("error", () => ended(request));
    go.disabled = true;
    upload.value = 0;
    upload.hidden = false;
    request.send(new FormData(form));
  });
}

// A job that is not finished: how far it is, until the page is worth loading anew.
function waiting() {
  const [box, share, words] = ["waiting", "share", "words"].map(byId);

  function inWords(job) {
    const left = job.eta_seconds === null ? "" : `, about ${Math.max(1, Math.round(job.eta_seconds))} s left`;
    return (job.state === "queued" ? `${job.position} ahead of it` : `${Math.round(100 * job.progress)} % computed`) + left;
  }

  async function look() {
    try {
      const answer = await fetch(box.dataset.state, { headers: { Accept: "application/json" } });
      const job = await answer.json();
      if (!answer.ok || !["queued", "running"].includes(job.state)) {
        location.reload();
        return;
      }
      share.value = job.progress;
      if (words.textContent !== inWords(job)) words.textContent = inWords(job);
    } catch {
      words.textContent = "The server does not answer; trying again.";
    }
    setTimeout(look, 700);
  }

  setTimeout(look, 300);
}

// Both pictures on top of each other; a slider says how much of the earlier one is seen. At 100 % both scroll as one.
function comparing() {
  const [compare, stage, seam, slider, zoom] = ["compare", "stage", "seam", "slider", "zoom"].map(byId);
  const layers = compare.querySelector(".layers");
  const before = compare.querySelector(".before");

  // as wide as the page, unless it would be higher than the window
  function fit() {
    const high = 0.8 * innerHeight * (compare.dataset.width / compare.dataset.height);
    stage.style.maxWidth = compare.classList.contains("zoomed") ? "" : `${Math.max(280, high)}px`;
    show();
  }

  function show() {
    const at = stage.scrollLeft + (Math.min(stage.clientWidth, layers.offsetWidth) * slider.value) / 100;
    before.style.clipPath = `inset(0 ${Math.max(0, layers.offsetWidth - at)}px 0 0)`;
    seam.style.left = `${at}px`;
    seam.style.height = `${layers.offsetHeight}px`;
  }

  function follow(event) {
    if (compare.classList.contains("zoomed") || !(event.buttons & 1)) return;
    const box = stage.getBoundingClientRect();
    slider.value = (100 * (event.clientX - box.left)) / box.width;
    show();
  }

  function setZoom(on) {
    compare.classList.toggle("zoomed", on);
    zoom.setAttribute("aria-pressed", String(on));
    // one pixel of the result is one pixel of the screen
    layers.style.width = on ? `${compare.dataset.width / devicePixelRatio}px` : "";
    if (on) {
      stage.tabIndex = 0;
      stage.scrollTo((stage.scrollWidth - stage.clientWidth) / 2, (stage.scrollHeight - stage.clientHeight) / 2);
    } else {
      stage.removeAttribute("tabindex");
    }
    fit();
  }

  compare.classList.add("live");
  seam.hidden = false;
  stage.setAttribute("role", "group");
  stage.setAttribute("aria-label", "The picture before and after");
  slider.addEventListener("input", show);
  stage.addEventListener("pointerdown", follow);
  stage.addEventListener("pointermove", follow);
  stage.addEventListener("dragstart", (event) => event.preventDefault());
  stage.addEventListener("scroll", show);
  addEventListener("resize", fit);
  for (const image of compare.querySelectorAll("img")) image.addEventListener("load", show);
  zoom.addEventListener("click", () => setZoom(!compare.classList.contains("zoomed")));
  fit();
}
