// What is said, in ComfyUI's language, and numbers as that language writes them.
import { app } from '../../scripts/app.js'

const LANGUAGES = ['en', 'ru', 'zh']
let words = {}
let spoken = ''

export const setting = (id, otherwise) => app.extensionManager?.setting?.get(id) ?? otherwise

// Where a person wants models from; "" as the server is set.
export const source = () => setting('Vramwise.DownloadSource', '').replace('server', '')

export function language() {
  const locale = String(setting('Comfy.Locale', 'en'))
  return LANGUAGES.find((one) => locale.startsWith(one)) ?? 'en'
}

// What a run said in all languages: ComfyUI keeps it whoever asks next.
export const spoke = (one) => one?.in?.[language()] ?? one

// What a file of this folder has.
export async function data(name) {
  const answer = await fetch(new URL(`./${name}.json`, import.meta.url), { cache: 'no-cache' })
  return await answer.json()
}

export async function loadWords() {
  const wanted = language()
  if (wanted === spoken) return
  words = await data(`words/${wanted}`)
  spoken = wanted
}

export const t = (key, values) => (words[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values?.[name] ?? '')

const number = (value, digits) =>
  new Intl.NumberFormat(spoken || 'en', { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value)

// "7.4 GiB", or GB where the person prefers those. Small things in the next smaller unit.
export function size(bytes) {
  if ((bytes ?? null) === null) return t('unknown')
  const [base, large, small] = setting('Vramwise.Units', 'GiB') === 'GB' ? [1000, 'GB', 'MB'] : [1024, 'GiB', 'MiB']
  const value = bytes / base ** 3
  if (bytes > 0 && value < 0.1) return `${number(bytes / base ** 2, 0)} ${t(small)}`
  return `${number(value, 1)} ${t(large)}`
}

export const percent = (share) => `${number(100 * share, share < 0.1 && share > 0 ? 1 : 0)} %`
