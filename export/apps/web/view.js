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

/** Shows the list of model files; calls `onChange` with the one that the user chooses, `onTime` to time all others. */
export function showModels(models, onChange, onTime) {
  element('models').append(...models.map((choice) => modelRow(choice, onChange)));
  element('time-others').addEventListener('click', onTime);
  const { accuracy } = models[0];
  if (accuracy) element('measured').textContent = `on ${accuracy.images} validation images, with 95% intervals`;
}

function modelRow(choice, onChange) {
  const { file, kind, bytes, accuracy, recommended } = choice;
  const input = create('input', { type: 'radio', name: 'model', value: file });
  input.addEventListener('change', () => onChange(choice));
  const name = create('b', {}, kind, ...(recommended ? [create('small', {}, 'best')] : []));
  const size = create('span', {}, `${megabytes(bytes)}\u00a0MB`);
  const error = create('span', {}, accuracy ? percent(accuracy.top1_error) : '–');
  if (accuracy) error.append(create('small', {}, interval(accuracy.top1_interval)));
  const time = create('span', { className: 'time' }, '–');
  return create('label', {}, input, name, size, error, time);
}

export function selectModel({ file }) {
  inputOf(file).checked = true;
}

function inputOf(file) {
  return element('models').querySelector(`input[value="${CSS.escape(file)}"]`);
}

export function showFetching({ file, bytes }, received) {
  Object.assign(element('progress'), { max: bytes, value: received, hidden: false });
  element('status').textContent = `Fetching ${file}: ${megabytes(received)} of ${megabytes(bytes)} MB`;
}

export function showOpening({ file }) {
  element('progress').hidden = true;
  element('status').textContent = `Opening ${file} …`;
}

/** Shows what runs the model, and its time; offers to time the models that have none yet. */
export function showReady({ file, difference, milliseconds }, place, models) {
  const time = `${milliseconds.toFixed(milliseconds < 10 ? 1 : 0)}\u00a0ms`;
  const limit = difference < 0.001 ? 'less than 0.1%' : `up to ${percent(difference)}`;
  element('status').textContent =
    `${file} runs on ${place}: ${time} an image. Its scores differ from the trained network's by ${limit}.`;
  inputOf(file).parentElement.querySelector('.time').textContent = time;
  const others = models.filter((one) => !one.milliseconds);
  element('time-others').hidden = !others.length;
  const sum = others.reduce((total, { bytes }) => total + bytes, 0);
  element('time-others').textContent = `Time the other files here (${megabytes(sum)} MB to fetch)`;
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

function interval([lower, upper]) {
  return `${(lower * 100).toFixed(1)}–${percent(upper)}`;
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
