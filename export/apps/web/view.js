// Everything that changes the document. Decisions are made in page.js.

export const element = (id) => document.getElementById(id);

/** Sets the page's state, which style.css and drive.mjs read. */
export function setState(state) {
  document.body.dataset.state = state;
}

export function getState() {
  return document.body.dataset.state;
}

/** Announces a text to users of screen readers. */
export function announce(text) {
  element('announcement').textContent = text;
}

export function showProblem(text, state) {
  element('problem').textContent = text;
  element('problem').hidden = false;
  setState(state);
}

export function hideProblem() {
  element('problem').hidden = true;
}

/** Shows the list of model files; calls `onChange` with the one that the user chooses. */
export function showModels(models, chosen, onChange) {
  for (const choice of models) {
    const input = create('input', { type: 'radio', name: 'model', value: choice.file, checked: choice === chosen });
    input.addEventListener('change', () => onChange(choice));
    const text = create('span', {}, choice.kind, create('small', {}, `${megabytes(choice.bytes)} MB`));
    element('models').append(create('label', {}, input, text));
  }
}

export function showFetching({ file, bytes }, received) {
  Object.assign(element('progress'), { max: bytes, value: received, hidden: false });
  element('status').textContent = `Fetching ${file}: ${megabytes(received)} of ${megabytes(bytes)} MB`;
}

export function showOpening({ file }) {
  element('progress').hidden = true;
  element('status').textContent = `Opening ${file} …`;
}

export function showReady({ file, bytes, difference }) {
  const limit = difference < 0.001 ? 'less than 0.1%' : `up to ${percent(difference)}`;
  element('status').textContent =
    `${file} answers, ${megabytes(bytes)} MB. Its scores differ from the trained network's by ${limit}.`;
}

export function showNoModel() {
  element('progress').hidden = true;
  element('status').textContent = 'No model is ready.';
}

export function showClasses(classes) {
  element('about').querySelector('summary').textContent = `The ${classes.length} labels it knows`;
  element('classes').textContent = classes.join(', ');
  element('about').hidden = false;
}

export function showPhoto(blob, name) {
  const image = element('photo');
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
  image.alt = `The photograph ${name}`;
  image.hidden = false;
  element('empty').hidden = true;
}

/** Returns the page to its state before the first photograph. */
export function clearPhoto() {
  for (const id of ['photo', 'answer', 'seen']) element(id).hidden = true;
  element('empty').hidden = element('waiting').hidden = false;
}

export function showAnswer(answers) {
  element('answer').replaceChildren(...answers.map(row));
  element('waiting').hidden = true;
  element('answer').hidden = element('seen').hidden = false;
}

export function spoken(answers) {
  return answers.map(({ label, score }) => `${label}, ${percent(score)}`).join('; ');
}

export function showTimes(reading, answering) {
  const [first, second] = [reading, answering].map((milliseconds) => `${Math.round(milliseconds)}\u00a0ms`);
  element('times').textContent = `${first} to read and reduce, ${second} to answer.`;
}

/** Draws the network's input: RGB bytes, `side` by `side`. */
export function showWindow(pixels, side) {
  const image = new ImageData(side, side);
  image.data.fill(255);
  pixels.forEach((value, index) => {
    image.data[Math.floor(index / 3) * 4 + (index % 3)] = value;
  });
  const canvas = element('window');
  canvas.width = canvas.height = side;
  canvas.getContext('2d').putImageData(image, 0, 0);
}

function row({ label, score }) {
  const filled = create('i');
  filled.style.setProperty('--share', `${score * 100}%`);
  const bar = create('span', { className: 'bar', ariaHidden: 'true' }, filled);
  const name = create('span', { className: 'label' }, label);
  const share = create('span', { className: 'percent' }, percent(score));
  const item = create('li', {}, name, share, bar);
  // Not rounded, for drive.mjs.
  Object.assign(item.dataset, { label, score });
  return item;
}

function create(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

function percent(share) {
  return `${(share * 100).toFixed(1)}%`;
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
