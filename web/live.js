// Asking the server, and asking again while somebody looks.
import { api } from '../../scripts/api.js'
import { language, loadWords, setting, t } from './words.js'

// The JSON of /vramwise/PATH in the reader's language, by POST with a body. A refusal is an Error with the server's sentence.
export async function ask(path, body) {
  const post = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
  const answer = await api.fetchApi(`/vramwise/${path}${path.includes('?') ? '&' : '?'}lang=${language()}`, body && post)
  const found = await answer.json().catch(() => null)
  if (!found || !answer.ok) throw new Error(found?.error ?? t('no_answer'))
  return found
}

// Sends an order. A refusal is said in the line `said`, else what is `done`.
export async function order(path, body, said, done = '') {
  try {
    const found = await ask(path, body)
    said.textContent = done
    return found
  } catch (error) {
    said.textContent = error.message
  }
}

const watches = new Map()
let timer = 0
let asking = false
let again = false

const seen = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (watches.has(target)) watches.get(target).visible = isIntersecting
  wake()
})

// While `element` can be seen, give `show` what `path()` says; `fail` gets the sentence where it does not.
// The answer's refresh() asks at once, stop() ends it.
export function watch(element, path, show, fail) {
  watches.set(element, { path, show, fail, visible: false })
  seen.observe(element)
  const stop = () => watches.delete(element) && seen.unobserve(element)
  return { refresh: () => wake(), stop }
}

const visible = () => (document.hidden ? [] : [...watches.values()].filter((one) => one.visible))

const SOON = 60
const pause = () => 1000 * Math.max(0.5, Number(setting('Vramwise.PollSeconds', 2)) || 2)

function wake(milliseconds = SOON) {
  clearTimeout(timer)
  timer = setTimeout(look, milliseconds)
}

// Called while answers are under way, it comes soon after.
async function look() {
  again = asking
  const now = visible()
  if (asking || !now.length) return
  asking = true
  try {
    await loadWords()
    await Promise.all([...grouped(now)].map(([path, all]) => answer(path, all)))
  } finally {
    asking = false
    wake(again ? SOON : pause())
  }
}

function grouped(all) {
  const found = new Map()
  for (const one of all) found.set(one.path(), [...(found.get(one.path()) ?? []), one])
  return found
}

async function answer(path, all) {
  try {
    const found = await ask(path)
    for (const one of all) one.show(found)
  } catch (error) {
    for (const one of all) one.fail(error.message)
  }
}

document.addEventListener('visibilitychange', () => wake())
